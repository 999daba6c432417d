"""What happened in a run, for reports."""

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class Figures:
    """What happened in a run, for reports."""

    actions: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    fates: Counter[str] = field(default_factory=Counter)
    census: Counter[str] = field(default_factory=Counter)
    """How often the log holds a command, carried out or refused, and an event of each kind."""
    steps: int = 0
    records: int = 0
    lives: int = 0
    checks: int = 0
    messages: int = 0
    snapshots_used: int = 0
    refusals_to_start: int = 0
    simulated_seconds: float = 0.0

    def add(self, other: "Figures") -> None:
        for name in ("actions", "faults", "fates", "census"):
            getattr(self, name).update(getattr(other, name))
        for name in (
            "steps",
            "records",
            "lives",
            "checks",
            "messages",
            "snapshots_used",
            "refusals_to_start",
            "simulated_seconds",
        ):
            setattr(self, name, getattr(self, name) + getattr(other, name))
