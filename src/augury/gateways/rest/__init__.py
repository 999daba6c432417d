"""The trading API over HTTP: bytes to commands, state and history to answers."""
