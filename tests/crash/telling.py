"""One schedule, carried out on a real store and real servers, and held against the oracle."""

import random
import shutil
import sqlite3
import struct
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from monitor.store.care.verify import verify_store
from monitor.store.reader import StoreReader
from rules.quality import Quality
from simulators.proxy import Mood
from tests.crash.core import Reading, Wanted
from tests.crash.far_sides import FarSide, Held
from tests.crash.nursery import PATIENCE_S, DeadError, Life, Nursery
from tests.crash.oracle import WATT_HOUR, Book, Oracle, Taken
from tests.crash.schedule import Schedule, Step
from tests.crash.torn import tear

STEADY_MS = 1_000_000
SELDOM_MS = 997
"""Readings come so many ms after a full second, all different: no two have the same time, whatever is set."""


class DifferenceError(AssertionError):
    """What was found is not what the oracle expected."""


class Telling:
    """Carries a schedule out.

    Parameters
    ----------
    fault : a call to the system that fails in the first life, and the how manieth: see ``disk.c``.

    Attributes
    ----------
    log : what happened, in words.
    fired : whether that call came.
    """

    def __init__(
        self,
        schedule: Schedule,
        nursery: Nursery,
        sides: dict[str, FarSide],
        site: str,
        *,
        fault: tuple[str, int] | None = None,
    ) -> None:
        self._fault, self.fired = fault, False
        self._schedule, self._nursery, self._sides, self._site = schedule, nursery, sides, site
        self._dice = random.Random(f"{schedule.seed} as it is told")
        self._folder = tempfile.TemporaryDirectory(prefix="crash-")
        self._store = Path(self._folder.name) / "energy.db"
        self._sinks = tuple(side.admit(site, self._store.parent) for side in sides.values())
        self._oracle = Oracle()
        self._steady_ms, self._offset_ms = STEADY_MS, schedule.begins_s * 1000 - STEADY_MS
        self._truth_ms = self._offset_ms
        self._total, self._number, self._known = schedule.register_kwh, 0, 0
        self._killed: set[str] = set()
        self._disk_is_full = False
        self._life: Life | None = None
        self.log: list[str] = []

    def tell(self) -> None:
        """Do everything, mend everything, and compare.

        Raises
        ------
        AssertionError : something is not as the oracle says, or never came.
        """
        try:
            self._start()
            for number, step in enumerate(self._schedule.steps):
                self._timed(f"{number:2d}  {step}", self._survive, self._do, step)
            self._timed("mending", self._survive, self._mend)
            self._timed("comparing", self._compare)
        finally:
            if self._life is not None:
                self._life.close()
            self._everything_runs()
            self._folder.cleanup()

    def _timed(self, words: str, do: Callable[..., None], *data: Any) -> None:
        place, began_s = len(self.log), time.monotonic()
        self.log.append(words)
        do(*data)
        self.log[place] += f"  [{time.monotonic() - began_s:.2f} s]"

    def _survive(self, do: Callable[..., None], *data: Any) -> None:
        """Do it; where the fault is its death, start again."""
        try:
            do(*data)
        except DeadError:
            if self._fault is None:
                raise
            self.fired, self._fault = True, None
            self._died(self._alive(), "none")
            self._start()
            self._survive(do, *data)

    # -- what happens -------------------------------------------------------------------------------

    def _do(self, step: Step) -> None:
        doing: dict[str, Any] = {
            "read": self._read_some,
            "spurious zero": self._read_zero,
            "kill": self._kill,
            "kill at start": self._kill_at_start,
            "end": self._end,
            "kill server": self._kill_server,
            "stop server": lambda name: self._sides[name].stop(),
            "start server": lambda name: self._sides[name].start(),
            "network": lambda name, mood: self._sides[name].turn(Mood(mood)),
            "disk full": self._limit_disk,
            "disk empty": self._limit_disk,
            "clock": self._set_clock,
        }
        doing[step.what](*step.data)

    def _alive(self) -> Life:
        assert self._life is not None
        return self._life

    def _start(self) -> None:
        wall_ms = self._steady_ms + self._offset_ms
        wanted = Wanted(str(self._store), self._site, self._sinks, wall_ms, self._steady_ms,
                        self._schedule.rolls_over_at, self._fault)  # fmt: skip
        self._oracle.begins(wall_ms, self._steady_ms)
        self._life = self._nursery.start(wanted)
        self._disk_is_full = False

    def _pass(self, seconds: float) -> None:
        self._steady_ms += round(seconds * 1000)

    def _read_some(self, count: int, every_s: float, kw: float, waits: str = "safe") -> None:
        for _ in range(count):
            self._pass(every_s)
            self._total += kw * every_s / 3600
            self._read(self._total, kw)
        if waits == "safe" and not self._disk_is_full:
            self._alive().wait_until_safe(self._oracle.handed_in())

    def _read_zero(self) -> None:
        self._pass(5)
        self._read(None, 0.0)

    def _read(self, total: float | None, kw: float) -> None:
        self._number += 1
        steady_ms = self._steady_ms + self._number % SELDOM_MS
        kwh = 0.0 if total is None else total % (self._schedule.rolls_over_at or 1e12)
        wall_ms = steady_ms + self._offset_ms
        self._alive().read(Reading(self._number, wall_ms, steady_ms, kwh, kw))
        self._oracle.read(self._number, wall_ms, steady_ms, kwh, kw, total)

    def _set_clock(self, by_s: float | str) -> None:
        by_ms = 30_000 - self._steady_ms - self._truth_ms if by_s == "1970" else round(float(by_s) * 1000)
        self._offset_ms = self._truth_ms + by_ms

    def _limit_disk(self, spare_pages: int | None = None) -> None:
        self._alive().tell("pages", spare_pages)
        self._disk_is_full = spare_pages is not None

    def _kill_server(self, name: str) -> None:
        self._sides[name].kill()
        self._killed.add(name)

    def _kill(self, after_ms: int, how: str, down_s: int) -> None:
        life = self._alive()
        life.listen_for(after_ms / 1000)
        life.kill()
        self._died(life, how)
        self._pass(down_s)
        self._total += down_s * self._dice.uniform(0, 1.5)  # kWh; up to 5,400 kW
        self._start()

    def _kill_at_start(self, after_ms: int, how: str, down_s: int) -> None:
        self._kill(after_ms, how, down_s)

    def _end(self, down_s: int) -> None:
        life = self._alive()
        self._limit_disk()
        life.end()
        self._oracle.ends(life.safe)
        self._look_into_store(len(self._oracle.readings()) - self._known)
        life.close()
        self._pass(down_s)
        self._start()

    def _died(self, life: Life, how: str) -> None:
        # Before it was ready it promised nothing, and what the life before left unsaid was counted already.
        torn = tear(self._store, how if life.was_ready else "none", self._dice)
        found = self._found()
        self.log.append(f"    safe {len(life.safe)}, found {len(found)}; {torn}")
        self._oracle.dies(life.safe, len(found))
        self._look_into_store(len(found))
        life.close()

    def _found(self) -> list[tuple[int, float, float]]:
        """The readings in a copy of the store that were not there before this life."""
        if not self._store.exists():
            return []
        with tempfile.TemporaryDirectory() as place:
            for file in self._store.parent.glob("energy.db*"):
                shutil.copy(file, place)
            with closing(sqlite3.connect(Path(place) / "energy.db")) as connection:
                if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'scans'").fetchone():
                    return []
                rows = connection.execute(
                    "SELECT at_ms, vals FROM scans WHERE id > ? ORDER BY id", [self._known]
                )
                return [(at_ms, *struct.unpack("<2d", values)) for at_ms, values in rows]

    def _look_into_store(self, new: int) -> None:
        """What is there is what was handed in, with the times that it deserves."""
        found = self._found()
        expected = [_row(one) for one in self._oracle.readings()[self._known :]]
        assert len(found) == new, f"{new} readings expected, {len(found)} found"
        for place, (one, other) in enumerate(zip(expected, found, strict=True)):
            if one != other:
                raise DifferenceError(f"reading {self._known + place + 1}: expected {one}, found {other}")
        self._known += new

    # -- the end ------------------------------------------------------------------------------------

    def _everything_runs(self) -> None:
        for side in self._sides.values():
            side.start()
            side.turn(Mood.THROUGH)

    def _mend(self) -> None:
        """End all faults, read on until the time is believed, and wait until everything has arrived."""
        self._everything_runs()
        life = self._alive()
        self._limit_disk()
        self._offset_ms = self._truth_ms
        self._read_some(24, 60, 1000.0)
        life.settle()
        if "victoria" in self._killed:
            # It had promised what was in its memory alone. A person has it sent once more.
            life.tell("backfill", "victoria")
            life.answer("backfill")
            life.settle()
        life.end()
        self.fired = self.fired or life.met_fault
        self._oracle.ends(life.safe)
        self._look_into_store(len(self._oracle.readings()) - self._known)

    def _compare(self) -> None:
        findings = [one for one in verify_store(self._store) if one.code not in _FINE]
        if findings:
            raise DifferenceError(f"store verify: {findings[0]}")
        with closing(StoreReader.open(self._store, self._site)) as reader:
            intervals = sorted(reader.changed_intervals(0, 10**6), key=lambda one: one.start_s)
            results = [one for one in reader.changed_results(0, 10**6) if one.kind == "clock"]
        _compare_steps(self._oracle, {one.at_s: one.data["step_s"] for one in results})
        wrong = [wrong_energy(book, intervals) for book in self._oracle.books()]
        if all(wrong):
            raise DifferenceError(str(wrong[0]))
        scans = [_row(one) for one in self._oracle.readings()]
        held = Held(scans, intervals, results)
        for name, side in self._sides.items():
            deadline_s = time.monotonic() + PATIENCE_S
            while difference := side.differs(self._site, held):
                if time.monotonic() > deadline_s:  # a server shows what it took after a moment
                    raise DifferenceError(f"{name}: {difference}")
                time.sleep(0.3)


_FINE: frozenset[str] = frozenset()


def _row(one: Taken) -> tuple[int, float, float]:
    return one.at_ms, one.kwh, one.kw


def _compare_steps(oracle: Oracle, found: dict[int, float]) -> None:
    """Each setting of the time is told once."""
    steps = oracle.steps()
    expected = {one.now_ms // 1000: one.by_ms / 1000 for one in steps if one.surely}
    possible = {one.now_ms // 1000: one.by_ms / 1000 for one in steps}
    if not (expected.items() <= found.items() <= possible.items()):
        raise DifferenceError(f"settings of the clock: expected {expected}, found {found}")


def wrong_energy(book: Book, intervals: Sequence[Any]) -> str | None:
    """The first interval that is not as the book says, to the watt-hour."""
    found = {one.start_s * 1000: one for one in intervals}
    for start_ms in sorted(book.quantities.keys() | found.keys()):
        kwh, one = book.quantities.get(start_ms, -1.0), found.get(start_ms)
        if one is None:
            return f"interval {start_ms}: expected {kwh} kWh, found none"
        untold = one.quality == Quality.MISSING
        if kwh is None or untold:
            if not (kwh is None and untold and one.quantity == 0):
                return f"interval {start_ms}: expected {kwh} kWh, found {one}"
            continue
        if abs(one.quantity - kwh) > WATT_HOUR / 2:
            return f"interval {start_ms}: expected {kwh} kWh, found {one.quantity}: {one}"
        if start_ms in book.set_in and not one.caught_up:
            return f"interval {start_ms}: the clock was set in it, and it counts as a peak: {one}"
    return None
