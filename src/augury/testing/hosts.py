"""Where a test's exchange runs: in a thread, in a process of its own, or in a forked one."""

import asyncio
import contextlib
import multiprocessing
import os
import re
import signal
import subprocess
import sys
import threading
from dataclasses import fields, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Protocol

from augury.app.settings import PREFIX, Settings

START_SECONDS = 60.0
STOP_SECONDS = 30.0


class Stopped(Exception):
    """The exchange does not run: it did not come up, or it ended by itself. Says what it said."""


class Host(Protocol):
    """Starts and stops one exchange; may be started again after it was stopped."""

    @property
    def url(self) -> str: ...

    @property
    def process_id(self) -> int: ...

    def start(self) -> None: ...

    def begin(self) -> None:
        """Start and do not wait."""
        ...

    def stop(self) -> None: ...

    def kill(self) -> None: ...

    def wait(self) -> int:
        """Until it has ended by itself; returns the exit code."""
        ...

    def keep_port(self) -> None:
        """Come back at the same address, as a server that is restarted does."""
        ...


class ThreadHost:
    """A server in a thread with an event loop of its own."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._url = ""
        self._thread: threading.Thread | None = None
        self._failures: list[BaseException] = []

    @property
    def url(self) -> str:
        return self._url

    @property
    def process_id(self) -> int:
        return os.getpid()

    def start(self) -> None:
        self._failures.clear()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="augury-exchange", daemon=True)
        self._thread.start()
        if not self._ready.wait(START_SECONDS):
            raise Stopped("the exchange did not start in time")
        if self._failures:
            self._thread.join()
            self._thread = None
            raise Stopped(str(self._failures[0])) from self._failures[0]

    def _run(self) -> None:
        import uvloop

        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            try:
                runner.run(self._serve())
            except BaseException as error:
                self._failures.append(error)
                self._ready.set()

    async def _serve(self) -> None:
        from augury.app.serve import Server

        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        server = Server(self._settings, own_process=False)
        await server.start()
        self._url = server.url
        self._ready.set()
        await self._stop.wait()
        await server.stop()

    def stop(self) -> None:
        thread, self._thread = self._thread, None
        if thread is None:
            return
        with contextlib.suppress(RuntimeError):  # the loop has ended by itself
            self._loop.call_soon_threadsafe(self._stop.set)
        thread.join(STOP_SECONDS)
        if thread.is_alive():
            raise Stopped("the exchange did not stop in time")
        if self._failures:
            raise Stopped(str(self._failures[0])) from self._failures[0]

    def begin(self) -> None:
        raise NotImplementedError("a thread cannot be killed on its way up")

    def kill(self) -> None:
        raise NotImplementedError("only an exchange in its own process can be killed")

    def wait(self) -> int:
        raise NotImplementedError("only an exchange in its own process ends by itself")

    def keep_port(self) -> None:
        port = int(self._url.rpartition(":")[2])
        self._settings = replace(self._settings, port=port)


class ProcessHost:
    """``augury serve`` as a child process. Its standard error is kept in the data directory."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._url = ""
        self._process: subprocess.Popen[str] | None = None

    @property
    def url(self) -> str:
        return self._url

    @property
    def process_id(self) -> int:
        if self._process is None:
            raise Stopped("the exchange does not run")
        return self._process.pid

    @property
    def log_path(self) -> Path:
        return self._settings.data / "server.log"

    def start(self) -> None:
        self.begin()
        process = self._process
        assert process is not None
        watchdog = threading.Timer(START_SECONDS, process.kill)
        watchdog.start()
        assert process.stdout is not None
        line = process.stdout.readline()
        watchdog.cancel()
        found = re.fullmatch(r"Augury is listening on (\S+)\n", line)
        if found is None:
            process.kill()
            process.communicate()
            self._process = None
            raise Stopped(f"the exchange did not start: {self._last_words()}")
        self._url = found[1]

    def begin(self) -> None:
        self._settings.data.mkdir(parents=True, exist_ok=True)
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "augury", "serve"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env=_environment() | environment_of(self._settings),
            )

    def stop(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            process.communicate(timeout=STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise Stopped("the exchange did not stop in time") from None
        if process.returncode != 0:
            raise Stopped(f"exit code {process.returncode}: {self._last_words()}")

    def wait(self) -> int:
        process, self._process = self._process, None
        if process is None:
            raise Stopped("the exchange does not run")
        process.communicate(timeout=STOP_SECONDS)
        return process.returncode

    def kill(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.communicate()

    def keep_port(self) -> None:
        port = int(self._url.rpartition(":")[2])
        self._settings = replace(self._settings, port=port)

    def _last_words(self) -> str:
        lines = self.log_path.read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(lines[-20:])


class ForkedHost:
    """A process of its own, forked from one that has everything loaded already.

    The same server as ``augury serve``, only quicker to start: for tests that kill it a hundred
    times. Standard error of the test and the server are one.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._url = ""
        self._process: Any = None
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(["augury.app.serve"])

    @property
    def url(self) -> str:
        return self._url

    @property
    def process_id(self) -> int:
        if self._process is None:
            raise Stopped("the exchange does not run")
        return int(self._process.pid)

    def start(self) -> None:
        self.begin()
        if not self._receiver.poll(START_SECONDS):
            self.kill()
            raise Stopped("the exchange did not start in time")
        try:
            self._url = self._receiver.recv()
        except EOFError:
            self._process.join()
            raise Stopped(f"exit code {self._process.exitcode}; see standard error") from None

    def begin(self) -> None:
        """Start and do not wait, to kill it on its way up."""
        self._receiver, sender = self._context.Pipe(duplex=False)
        self._process = self._context.Process(
            target=_serve_forked, args=(self._settings, sender), name="augury-exchange"
        )
        self._process.start()
        sender.close()

    def stop(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        process.join(STOP_SECONDS)
        if process.exitcode is None:
            process.kill()
            process.join()
            raise Stopped("the exchange did not stop in time")
        if process.exitcode != 0:
            raise Stopped(f"exit code {process.exitcode}; see standard error")

    def wait(self) -> int:
        process, self._process = self._process, None
        process.join(STOP_SECONDS)
        return int(process.exitcode)

    def kill(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.join()

    def keep_port(self) -> None:
        port = int(self._url.rpartition(":")[2])
        self._settings = replace(self._settings, port=port)


def _serve_forked(settings: Settings, sender: "Connection[str, str]") -> None:
    from augury.app.logs import configure_logging
    from augury.app.serve import Server, run

    def announce(server: Server) -> None:
        sender.send(server.url)
        sender.close()

    configure_logging(settings.log_level, settings.log_format)
    sys.exit(run(settings, announce))


def environment_of(settings: Settings) -> dict[str, str]:
    """The environment that asks for exactly these settings; not every one has a flag."""
    chosen = {}
    for item in fields(settings):
        value: Any = getattr(settings, item.name)
        if value == item.default or value is None:
            continue
        text = ",".join(value) if isinstance(value, tuple) else str(value)
        chosen[PREFIX + item.name.upper()] = text
    return chosen


def _environment() -> dict[str, str]:
    """Without what would change a setting behind the test's back."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    kept["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    return kept
