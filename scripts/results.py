"""Figures of long runs: one file for each kind of run in results/, written by the run itself.

    {"what": "fuzzing", "date": "2026-03-01", "machine": "...", "figures": {"cases": 1000000}}

``figures`` maps words for a reader to numbers or short texts. ``scripts/guarantees.py`` puts them
into docs/operate/guarantees.md.
"""

import json
import os
import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).resolve().parent.parent / "results"


def record(what: str, figures: Mapping[str, int | float | str], folder: Path = RESULTS) -> Path:
    """Write the figures of a run that ended well; those of an earlier one are replaced."""
    content = {
        "what": what,
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "machine": f"{os.cpu_count()} cores, Python {platform.python_version()}",
        "figures": dict(figures),
    }
    folder.mkdir(exist_ok=True)
    path = folder / f"{what}.json"
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    return path


def recorded(what: str, folder: Path = RESULTS) -> dict[str, Any] | None:
    """What the newest run of a kind has written; None when there was none."""
    path = folder / f"{what}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None
