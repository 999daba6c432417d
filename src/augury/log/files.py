"""What the files of log and snapshots have in common."""

import os
from pathlib import Path


def flush_directory(path: Path) -> None:
    """Make renames and new names in a directory durable."""
    directory = os.open(path, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def flush_file(path: Path) -> None:
    """Make what anybody has written to a file durable; nothing happens when there is no file."""
    try:
        file = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return
    try:
        os.fsync(file)
    finally:
        os.close(file)
