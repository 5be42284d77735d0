"""A site with its fake world and its real daemon, for tests of what an engineer must see."""

import json
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from simulators.building import Building
from simulators.control import ask
from tests.servers.processes import PATIENCE_S, Program, run_program

Found = TypeVar("Found")
ScanFacts = tuple[int, dict[str, float], dict[str, int]]
"""Instant in ms, values and qualities by point."""


def wait_for(what: str, condition: Callable[[], Found | None], seconds: float = PATIENCE_S) -> Found:
    """What ``condition`` gives once it gives anything; AssertionError after the time."""
    deadline_s = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > deadline_s:
            raise AssertionError(f"{what} did not come within {seconds:g} s")
        time.sleep(0.1)


@dataclass(slots=True)
class Hall:
    """A running site: its store as the daemon fills it, and its devices' faults.

    Attributes
    ----------
    model : what the meters measure.
    families : of devices that are no electricity meters.
    """

    store: Path
    model: Building
    control: int
    families: dict[str, str]
    daemon: Program
    command: list[str | Path]

    @contextmanager
    def fault(self, device: str, kind: str, **parameters: object) -> Iterator[None]:
        """Let a device have a fault for a while."""
        number = self.set_fault(device, kind=kind, **parameters)
        try:
            yield
        finally:
            self.clear_fault(number)

    def set_fault(self, device: str, **said: object) -> int:
        """Begin a fault; returns its number."""
        answer = ask(self.control, {"set": {"device": device, **said}})
        assert "number" in answer, answer
        return int(answer["number"])

    def clear_fault(self, number: int) -> None:
        """End a fault."""
        ask(self.control, {"clear": number})

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """What the store holds."""
        with closing(sqlite3.connect(f"file:{self.store}?mode=ro", uri=True)) as connection:
            return connection.execute(query, values).fetchall()

    def condition(self, device: str) -> tuple[str, str]:
        """How a device is doing, and the code of its last error; empty before anything is known."""
        found = self.rows("SELECT condition, error FROM device_conditions WHERE device = ?", device)
        if not found:
            return "", ""
        return found[0][0], json.loads(found[0][1])["code"] if found[0][1] else ""

    def wait_for_condition(self, device: str, *wanted: str) -> str:
        """The error's code, once the device is in one of the conditions."""

        def reached() -> tuple[str] | None:
            condition, code = self.condition(device)
            return (code,) if condition in wanted else None

        return wait_for(f"{device} {' or '.join(wanted)}", reached)[0]

    def last_scan(self) -> int:
        """Id of the newest scan of any device."""
        return int(self.rows("SELECT coalesce(max(id), 0) FROM scans")[0][0])

    def scans(self, device: str, after: int = 0) -> list[ScanFacts]:
        """A device's scans after an id, oldest first."""
        found: list[ScanFacts] = []
        query = (
            "SELECT s.at_ms, s.vals, s.quality, l.spec FROM scans s JOIN layouts l ON l.id = s.layout_id"
            " WHERE l.device = ? AND s.id > ? ORDER BY s.id"
        )
        for at_ms, packed, quality, spec in self.rows(query, device, after):
            names = _names(spec)
            values: list[float] = np.frombuffer(packed, dtype="<f8").tolist()
            facts = dict(zip(names, values, strict=True)), dict(zip(names, quality, strict=True))
            found.append((at_ms, *facts))
        return found

    def wait_for_scans(self, device: str, count: int = 3) -> list[ScanFacts]:
        """The next so many scans of a device."""
        after = self.last_scan()
        return wait_for(
            f"{count} scans of {device}",
            lambda: found if len(found := self.scans(device, after)) >= count else None,
        )

    def register(self, device: str, at_s: float) -> float:
        """What a right counter of a device shows."""
        family = self.families.get(device, "electricity")
        return float(self.model.counter(self.model.source(device, family), at_s))

    def intervals(self, meter: str) -> list[tuple[int, int, float, int, int]]:
        """(start s, length s, quantity, quality, caught up) of a meter's whole intervals, by start."""
        columns = "start_s, duration_s, quantity, quality, caught_up"
        query = f"SELECT {columns} FROM intervals WHERE meter = ? ORDER BY start_s"
        return self.rows(query, meter)[1:]  # the first began in its middle

    def wait_for_interval_after(self, meter: str, instant_s: float) -> None:
        """Until an interval that began after the instant is closed."""
        wait_for(
            f"an interval of {meter}",
            lambda: any(start >= instant_s for start, *_ in self.intervals(meter)),
        )

    def used(self, meter: str, start_s: float, end_s: float) -> float:
        """What a meter's register went on by."""
        return self.register(meter, end_s) - self.register(meter, start_s)


def _names(spec: str) -> list[str]:
    return [point[0] for point in json.loads(spec)["points"]]


@contextmanager
def running_hall(
    folder: Path, site: str, meter: str, *options: str, families: dict[str, str] | None = None
) -> Iterator[Hall]:
    """Serve a site's devices and run its daemon until ``meter`` has a closed interval.

    Parameters
    ----------
    site : text of ``site.yaml``; its id is hall, its store energy.db.
    options : of the simulators.
    """
    file = folder / "site.yaml"
    file.write_text(site, encoding="utf-8")
    # Counters as young as this keep every digit that a register of their type can show.
    installed_s = time.time() - 600
    since = datetime.fromtimestamp(installed_s, UTC).isoformat()
    world = [sys.executable, "-m", "simulators", "--site", file, "--installed", since, "--control", "0"]
    command: list[str | Path] = [sys.executable, "-m", "monitor.cli.main"]
    with run_program([*world, *options], name="simulators") as served:
        control = int(served.wait_for_line(r"^control (\d+)$", timeout_s=PATIENCE_S)[1])
        served.wait_for_line("^ready$", timeout_s=PATIENCE_S)
        with run_program([*command, "run", "--site", file], name="daemon") as daemon:
            daemon.wait_for_line("devices", timeout_s=PATIENCE_S)
            store = folder / "energy.db"
            hall = Hall(store, Building(installed_s=installed_s), control, families or {}, daemon, command)
            wait_for(f"an interval of {meter}", lambda: len(hall.intervals(meter)) >= 1)
            yield hall
            assert daemon.terminate() == 0
