"""The operator's token: a file that only its owner may read."""

import os
import secrets
from pathlib import Path
from typing import Final

COMFORTABLE_LENGTH: Final = 16


class TokenError(Exception):
    """The token file cannot be used; the text says what would help."""


def read_or_create_token(path: Path) -> str:
    """The token in ``path``. A file that is missing or empty gets a new random one, mode 600.

    The file appears with its content or not at all, so whoever waits for it never reads half a
    token. Raises ``TokenError``.
    """
    try:
        token = path.read_text(encoding="utf-8").strip()
        if token:
            return token
        _write(path, replace=True)
    except FileNotFoundError:
        _write(path, replace=False)
    except (OSError, UnicodeDecodeError) as error:
        raise TokenError(f"{path}: the operator's token cannot be read: {error}") from None
    return read_token(path)


def read_token(path: Path) -> str:
    """The token in ``path``; for the command line, which never makes one up."""
    try:
        token = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise TokenError(
            f"the operator's token cannot be read from {path}: "
            f"{getattr(error, 'strerror', None) or error}; "
            "name the file with --operator-token-file or AUGURY_OPERATOR_TOKEN_FILE"
        ) from None
    if not token:
        raise TokenError(f"{path} is empty; the server writes the token when it starts")
    return token


def write_secret(path: Path, text: str) -> None:
    """Create or replace ``path`` so that only its owner may read it, as a whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def readable_by_others(path: Path) -> bool:
    return bool(path.stat().st_mode & 0o077)


def _write(path: Path, *, replace: bool) -> None:
    if not replace and path.exists():  # another process was faster
        return
    try:
        write_secret(path, secrets.token_urlsafe(32) + "\n")
    except OSError as error:
        raise TokenError(f"{path}: the operator's token cannot be written: {error}") from None
