"""Starting and stopping the bots' process. They trade apart from the exchange, so that whatever
they do it keeps its own pace, and they see no more of it than anyone outside does.
"""

import asyncio
import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import augury
from augury.app.bots.config import BotsConfig

log = logging.getLogger("augury.bots")

_STOP_SECONDS: Final = 5.0


class BotProcess:
    """The bots that belong to this process. They end with it, however it ends."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self._process = process

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    async def stop(self, timeout: float = _STOP_SECONDS) -> None:
        """Ask the bots to stop, and insist after ``timeout`` seconds."""
        process = self._process
        if process.stdin is not None:
            process.stdin.close()
        if process.poll() is None:
            process.terminate()
        try:
            await asyncio.to_thread(process.wait, timeout)
        except subprocess.TimeoutExpired:
            log.warning("the bots did not stop in time", extra={"pid": process.pid})
            process.kill()
            await asyncio.to_thread(process.wait)


def start_bots(
    config: BotsConfig, directory: Path, *, log_level: str = "warning", log_format: str = "json"
) -> BotProcess | None:
    """Start the bots of ``config`` as one process; None when there are none to start.

    The configuration is written to ``directory``; it holds no secrets, only where they are. The
    child reads a pipe from this process and ends when the pipe does, so that even a parent that
    is killed leaves no bots behind.
    """
    if not config.bots:
        return None
    path = directory / "bots.json"
    config.save(path)
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "augury.app.bots",
            str(path),
            "--log-level",
            log_level,
            "--log-format",
            log_format,
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        # Ctrl-C in a terminal reaches the exchange alone, which then stops its bots in order.
        start_new_session=True,
        env=_environment(),
    )
    log.info("bots started", extra={"pid": process.pid, "bots": len(config.bots)})
    return BotProcess(process)


def _environment() -> dict[str, str]:
    """The child finds the same Augury, also when it runs from a folder of sources."""
    sources = str(Path(augury.__file__).resolve().parents[1])
    others = os.environ.get("PYTHONPATH", "")
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, (sources, others)))}
