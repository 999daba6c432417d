"""Playing a recording: the WebSocket gateway with a recording in place of the exchange."""
