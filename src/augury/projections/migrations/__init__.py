"""The history of history's tables, run by Alembic. Each step has its own module in ``versions``.

History can always be rebuilt from the log, so a step may also drop what it cannot convert and
set the position back to 0.
"""

from typing import Final

KNOWN: Final = ("0001", "0002", "0003", "0004")
"""Every revision, oldest first."""

HEAD: Final = KNOWN[-1]
"""A database that is already there needs no migration tool to be loaded."""
