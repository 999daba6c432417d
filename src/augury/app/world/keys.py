"""Private keys that the world asks for: made once, kept in files that only their owner can read."""

import os
from pathlib import Path

from augury.client.signing import KeyPair, generate_key_pair, read_key_pair


def keep_key_pair(path: Path) -> KeyPair:
    """The pair in ``path``, made and written there when the file is missing.

    Raises ``OSError`` or ``ValueError`` when the file cannot be used.
    """
    try:
        return read_key_pair(path.read_bytes())
    except FileNotFoundError:
        pass
    pair = generate_key_pair()
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    # Created with its mode, not changed to it: in between, others could read it.
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(pair.private_pem)
        file.flush()
        os.fsync(file.fileno())
    return pair
