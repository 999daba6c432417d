"""What the bots' process is told when it starts: one JSON file, written by the exchange."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from augury.app.world.apply import WorldReport
from augury.app.world.model import World
from augury.app.world.outlook import Outlook, outlook_of

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class BotConfig:
    """One bot. ``options`` are those of the world file, see docs/worlds.md."""

    kind: str
    name: str
    seed: int
    include: tuple[str, ...]
    exclude: tuple[str, ...]
    options: Json
    api_key_id: str
    private_key_file: str


@dataclass(frozen=True, slots=True)
class BotsConfig:
    """``virtual_clock``: ask the exchange what time it is, instead of the machine."""

    url: str
    ca_file: str
    virtual_clock: bool
    outlook: Outlook
    bots: tuple[BotConfig, ...]

    def save(self, path: Path) -> None:
        data = {
            "url": self.url,
            "ca_file": self.ca_file,
            "virtual_clock": self.virtual_clock,
            "outlook": self.outlook.to_json(),
            "bots": [asdict(bot) for bot in self.bots],
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(data), encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> "BotsConfig":
        data = json.loads(path.read_text(encoding="utf-8"))
        return cls(
            data["url"],
            data["ca_file"],
            data["virtual_clock"],
            Outlook.from_json(data["outlook"]),
            tuple(
                BotConfig(
                    **{
                        **bot,
                        "include": tuple(bot["include"]),
                        "exclude": tuple(bot["exclude"]),
                    }
                )
                for bot in data["bots"]
            ),
        )


def bots_config(
    world: World,
    report: WorldReport,
    url: str,
    *,
    ca_file: Path | None = None,
    virtual_clock: bool = False,
) -> BotsConfig:
    """The configuration of a world's bots on the exchange to which the world was applied.

    Bots whose keys are not at hand are left out.
    """
    bots = []
    for spec in world.bots:
        key = report.key_of(spec.email)
        if key is not None:
            bots.append(
                BotConfig(
                    spec.kind,
                    spec.name,
                    spec.seed,
                    tuple(spec.include),
                    tuple(spec.exclude),
                    spec.options,
                    key.api_key_id,
                    str(key.private_key_file.resolve()),
                )
            )
    return BotsConfig(
        url,
        str(ca_file.resolve()) if ca_file else "",
        virtual_clock,
        outlook_of(world, report.start_ns),
        tuple(bots),
    )
