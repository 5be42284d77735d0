"""``energy-monitor demo``: a simulated building, broker, daemon and page under one parent.

The parent starts everything as processes of their own, watches them, and ends all of them: on Ctrl-C, on
SIGTERM, after ``--for``, and when one of them dies.
"""

import ctypes
import importlib.util
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from config.words import say
from monitor.cli.words import tell

DEFAULT_FOLDER = Path("demo-data")
DEFAULT_PAGE_PORT = 8090
MARKER = "demo-store"
"""A file that tells the demo's own folder: only there is an old store thrown away."""

STORE = "energy.db"
SHOW_CURSOR = "\x1b[?25h"

READY_WITHIN_S = 180.0
END_WITHIN_S = 4.0
PR_SET_PDEATHSIG = 1


def run_demo(duration: str | None, port: int | None, folder: Path | None, language: str) -> int:
    """Run until Ctrl-C or for as long as asked. Exit code 1 when a part of it died."""
    seconds = _seconds(duration)
    if seconds is not None and seconds <= 0:
        tell(say("cli.bad_duration", language, text=duration))
        return 2
    missing = [module for module in ("fastapi", "amqtt") if importlib.util.find_spec(module) is None]
    if missing:
        tell(say("cli.missing_extra", language, extra="demo", module=missing[0]))
        return 2
    place = (folder or DEFAULT_FOLDER).absolute()
    if not _is_ours(place):
        tell(say("demo.not_ours", language, folder=place))
        return 2
    from monitor.store.database import StoreError, WriterLock

    lock = WriterLock(place / MARKER)
    try:
        lock.acquire()
    except StoreError as error:
        tell(say("demo.running_already", language, folder=place, pid=error.data["pid"]))
        return 2
    try:
        return _run_alone(place, port, seconds, language)
    finally:
        lock.release()


def _run_alone(place: Path, port: int | None, seconds: float | None, language: str) -> int:
    """The demo in a folder in which no other runs."""
    from monitor.store.database import WriterLock

    if (pid := WriterLock(place / STORE).holder()) is not None:
        tell(say("demo.running_already", language, folder=place, pid=pid))
        return 2
    _make_room(place)
    page_port = port or _free_port(DEFAULT_PAGE_PORT)
    if port is not None and not _is_free(port):
        tell(say("demo.port_taken", language, port=port))
        return 2
    ports = _Ports(page_port, _free_port(), _free_port())
    with _Household(place, language) as house:
        return _live(house, place, ports, seconds, language)


@dataclass(frozen=True, slots=True)
class _Ports:
    page: int
    modbus: int
    mqtt: int


class _Stopped(Exception):
    """A signal said that it is enough."""


def _live(house: "_Household", place: Path, ports: _Ports, seconds: float | None, language: str) -> int:
    python = sys.executable
    began_s = time.monotonic()
    try:
        tell(say("demo.preparing", language, folder=place))
        options = [f"--{name}-port={getattr(ports, name)}" for name in ("modbus", "mqtt", "page")]
        house.finish("past", [python, "-m", "simulators.demo", place, *options])
        fill: list[str | Path] = [
            python,
            "-m",
            "monitor.cli.past",
            place / "site.yaml",
            place / "past.npz",
            language,
        ]
        rows = int(house.finish("fill", fill, shown=True))
        tell(say("demo.filled", language, rows=f"{rows:,}", seconds=f"{time.monotonic() - began_s:.1f}"))
        site: list[str | Path] = ["--site", place / "site.yaml"]
        house.start(
            "broker", [python, "-m", "amqtt.scripts.broker_script", "-c", _broker_file(place, ports.mqtt)]
        )
        house.wait_for_port("broker", ports.mqtt)
        house.start("simulators", [python, "-m", "simulators", *site, "--publish-every", "2"])
        house.wait_for_port("simulators", ports.modbus)
        house.start("daemon", [python, "-m", "monitor.cli.main", "run", *site])
        house.start("page", [python, "-m", "monitor.cli.main", "serve", *site])
        house.wait_for_port("page", ports.page)
        tell(say("demo.ready", language, url=f"http://127.0.0.1:{ports.page}/"))
        if house.watch(seconds):
            return 0
    except (_Stopped, KeyboardInterrupt):
        tell(say("demo.ending", language))
        return 0
    except _PartDiedError as error:
        tell(say("demo.part_died", language, part=error.part, log=error.log))
        tell(error.tail)
        return 1
    return 0


class _PartDiedError(Exception):
    """A process of the demo ended by itself, or did not come up."""

    def __init__(self, part: str, log: Path) -> None:
        self.part = part
        self.log = log
        self.tail = "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-8:])
        super().__init__(part)


class _Household:
    """The demo's processes; leaving it ends every one of them."""

    def __init__(self, place: Path, language: str) -> None:
        self._place = place
        self._language = language
        self._parts: dict[str, subprocess.Popen[bytes]] = {}
        self._stop = threading.Event()
        self._before: dict[int, object] = {}

    def __enter__(self) -> Self:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            self._before[number] = signal.signal(number, lambda *_: self._stop.set())
        return self

    def __exit__(self, *_: object) -> None:
        deadline = time.monotonic() + END_WITHIN_S
        for process in reversed(self._parts.values()):
            process.terminate()
        for process in reversed(self._parts.values()):
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if sys.stderr.isatty():
            sys.stderr.write(SHOW_CURSOR)  # a bar that was ended in the middle has hidden it
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]  # what signal gave, it takes back

    def start(self, part: str, command: Sequence[str | Path], *, shown: bool = False) -> None:
        """Start a part; its output goes to a log in the demo's folder, its errors to ours when ``shown``."""
        with self._log(part).open("wb") as log:
            # A session of its own: Ctrl-C reaches the parent alone, which ends the parts in order.
            self._parts[part] = subprocess.Popen(  # noqa: S603  our own programs, no shell
                [str(word) for word in command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=None if shown else subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_end_with_parent,  # noqa: PLW1509  no threads run yet that could hold a lock
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
            )

    def finish(self, part: str, command: Sequence[str | Path], *, shown: bool = False) -> str:
        """Run a part to its end; what it printed."""
        self.start(part, command, shown=shown)
        while self._parts[part].poll() is None:
            self._pause(0.05)
        if self._parts.pop(part).returncode:
            raise _PartDiedError(part, self._log(part))
        return self._log(part).read_text(encoding="utf-8")

    def wait_for_port(self, part: str, port: int) -> None:
        """Wait until a part listens."""
        deadline = time.monotonic() + READY_WITHIN_S
        while _is_free(port):
            if self._parts[part].poll() is not None or time.monotonic() > deadline:
                raise _PartDiedError(part, self._log(part))
            self._pause(0.1)

    def watch(self, seconds: float | None) -> bool:
        """Stay until the time is over; True then. Raises when a part dies or a signal comes."""
        deadline = None if seconds is None else time.monotonic() + seconds
        while deadline is None or time.monotonic() < deadline:
            self._pause(0.2)
            for part, process in self._parts.items():
                if process.poll() is not None:
                    raise _PartDiedError(part, self._log(part))
        return True

    def _pause(self, seconds: float) -> None:
        if self._stop.wait(seconds):
            raise _Stopped

    def _log(self, part: str) -> Path:
        return self._place / f"{part}.log"


def _end_with_parent() -> None:
    """Ask the kernel to end this child should the parent be killed without a word (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def _is_ours(place: Path) -> bool:
    """Make the folder; False when it holds somebody else's store."""
    place.mkdir(parents=True, exist_ok=True)
    return (place / MARKER).exists() or not any(place.glob("*.db*"))


def _make_room(place: Path) -> None:
    """Throw away the store of the last demo."""
    warning = "The demo throws away and makes anew every file beside this one.\n"
    (place / MARKER).write_text(warning, encoding="utf-8")
    for old in (*place.glob(f"{STORE}*"), *place.glob("*.log"), *place.glob("past.npz")):
        old.unlink()


def _broker_file(place: Path, port: int) -> Path:
    path = place / "broker.yaml"
    path.write_text(
        "listeners:\n"
        f"  default: {{type: tcp, bind: '127.0.0.1:{port}'}}\n"
        "plugins:\n"
        "  amqtt.plugins.authentication.AnonymousAuthPlugin: {allow_anonymous: true}\n",
        encoding="utf-8",
    )
    return path


def _seconds(text: str | None) -> float | None:
    """``30s``, ``5m``, ``1h`` or ``30`` as seconds; 0 when it is none of these."""
    if text is None:
        return None
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", text.strip())
    return float(found[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[found[2]] if found else 0.0


def _is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.settimeout(0.5)
        return probe.connect_ex(("127.0.0.1", port)) != 0


def _free_port(wish: int = 0) -> int:
    """The wished-for port when nobody has it, else one that the machine picks."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", wish))
        except OSError:
            return _free_port()
        return int(probe.getsockname()[1])
