"""What the files of log, snapshots and history have in common: how they become durable."""

import os
from pathlib import Path
from typing import Final

_CHUNK: Final = 1 << 20


def flush_directory(path: Path) -> None:
    """Make renames and new names in a directory durable."""
    directory = os.open(path, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def write_again(path: Path) -> None:
    """Write a file over with its own bytes and flush it; nothing happens when there is no file.

    Where an earlier flush has failed, the kernel may hold bytes in memory that are not on the disk
    and that it takes for written: no later flush would care. Once written again they are flushed.
    """
    try:
        file = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return
    try:
        offset = 0
        while data := os.pread(file, _CHUNK, offset):
            offset += os.pwrite(file, data, offset)
        os.fsync(file)
    finally:
        os.close(file)
