"""The n-th write, the n-th commit, the n-th request fails, for n = 1, 2, 3 … until a run passes without."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

from simulators.proxy import Mood
from tests.crash.far_sides import Held, differences
from tests.crash.nursery import Nursery
from tests.crash.schedule import Schedule, Step
from tests.crash.telling import Telling
from tests.servers import require_program
from tests.sink_world import PickyServer

DISK_FAULTS = ("write:full", "write:broken", "write:kill", "write:torn", "sync:broken", "sync:kill")
REQUEST_FAULTS = ("unanswered", "dropped", "busy")

QUIET = Schedule(
    seed=0,
    begins_s=1_795_510_800,
    register_kwh=999_950.0,
    rolls_over_at=1e6,
    steps=(Step("read", (4, 300.0, 200.0, "safe")), Step("read", (5, 300.0, 300.0, "safe"))),
)
"""What is read while nothing else happens: three intervals, and a register that rolls over."""


def built(folder: Path) -> Path:
    """The library that lets one call to the system fail."""
    compiler = require_program("gcc", "gcc")
    library = folder / "disk.so"
    source = Path(__file__).with_name("disk.c")
    command = [compiler, "-shared", "-fPIC", "-O2", "-Wall", "-Werror", source, "-o", library, "-ldl"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return library


class CountingSide(PickyServer):
    """InfluxDB's v2 write; the n-th request fails, once."""

    kind = "counting"

    def __init__(self) -> None:
        super().__init__()
        self._fault, self._left = "", 0

    def arm(self, fault: str, number: int) -> None:
        self._fault, self._left = fault, number

    @property
    def fired(self) -> bool:
        """Whether there was an n-th request."""
        return self._left <= 0

    def judge(self, body: bytes) -> tuple[int, str]:
        self._left -= 1
        if self._left != 0:
            return super().judge(body)
        if self._fault == "busy":
            return 503, "not now"
        if self._fault == "unanswered":
            super().judge(body)
        raise ConnectionAbortedError(self._fault)  # the connection ends without an answer

    # -- as a far side ------------------------------------------------------------------------------

    def admit(self, site: str, folder: Path) -> dict[str, Any]:
        self.taken.clear()
        return {"kind": "influxdb", "id": self.kind, "url": self.url, "bucket": "energy", "timeout_s": 5}

    def start(self) -> None:
        if self._server is None:
            super().start()

    def turn(self, mood: Mood) -> None:
        assert mood is Mood.THROUGH

    def kill(self) -> None:
        raise NotImplementedError("only requests fail here")

    def differs(self, site: str, held: Held) -> str | None:
        scans, intervals = {}, {}
        for line in self.lines():
            series, fields, at_ms = line.split(" ")
            values = {
                name: float(text) for name, _, text in (one.partition("=") for one in fields.split(","))
            }
            if series.startswith("energy,"):
                scans[int(at_ms)] = values["import_kwh"]
            else:
                start_s, figures = int(at_ms) // 1000, (values["rev"], values["kwh"])
                intervals[start_s] = max(figures, intervals.get(start_s, figures))
        newest = {one.start_s: (one.rev, one.quantity) for one in held.intervals}
        expected = {at_ms: kwh for at_ms, kwh, _ in held.scans}
        return differences("energy", expected, scans) or differences("interval", newest, intervals)


@contextmanager
def counting_side() -> Iterator[CountingSide]:
    """A server that counts, running."""
    side = CountingSide()
    side.start()
    try:
        yield side
    finally:
        side.stop()


def each_call(fault: str, nursery: Nursery, side: CountingSide, stride: int = 1) -> Iterator[int]:
    """Tell the quiet story with the n-th call failing, for each n until there is none; yields n."""
    for number in count(1, stride):
        side.arm("", 0)
        telling = Telling(QUIET, nursery, {side.kind: side}, "hall", fault=(fault, number))
        told(telling, nursery, f"{fault}, number {number}")
        yield number
        if not telling.fired:
            return


def each_request(fault: str, nursery: Nursery, side: CountingSide) -> Iterator[int]:
    """The same with the n-th request of a sink."""
    for number in count(1):
        side.arm(fault, number)
        told(Telling(QUIET, nursery, {side.kind: side}, "hall"), nursery, f"{fault}, request {number}")
        yield number
        if not side.fired:
            return


def told(telling: Telling, nursery: Nursery, which: str) -> None:
    """Tell it; a failure says which call it was."""
    try:
        telling.tell()
    except BaseException:
        print(which, *telling.log, nursery.complaints()[-8000:], sep="\n")
        raise
