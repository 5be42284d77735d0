"""A store, a writer, a pipeline and what takes readings again: as the daemon has them, without a wire."""

import asyncio
import math
from pathlib import Path

import numpy as np

from monitor.pipeline import Meter, Pipeline
from monitor.rework import LOOKS_AT_MOST, Reworker
from monitor.store.database import open_writer
from monitor.store.reader import StoreReader
from monitor.store.rows import Commit
from monitor.store.writer import Writer, register_layouts, submit_and_wait
from rules.counters import CounterLimits
from rules.factors import Factors
from rules.metering import MeterRules
from rules.scan import Scan
from tests.one_meter import LAYOUT

DAY_S = 86_400


def meter(max_rate=200.0, factors=None, own_time=True, interval_s=900, **rules):
    limits = CounterLimits(max_rate, factors=factors or Factors())
    names = {"counter_name": "energy_import", "rate_name": "active_power_total", "own_time": own_time}
    return Meter("main", LAYOUT.key, 0, 1, MeterRules(limits, interval_s, 60_000, **rules), **names)


class StillClock:
    """A clock that stands where a test puts it."""

    def __init__(self) -> None:
        self.ms = 0

    def now_ms(self) -> int:
        return self.ms

    def monotonic_s(self) -> float:
        return self.ms / 1000


class House:
    """One meter in one store. ``leave`` is what a kill leaves behind."""

    def __init__(self, path: Path, of: Meter | None = None, now_s: float = 0) -> None:
        self.path = path
        self.engine = open_writer(path)
        self.reader = StoreReader.open(path, "hall")
        self.writer = Writer(self.engine, "hall")
        self.writer.start()
        self.clock = StillClock()
        self.clock.ms = round(now_s * 1000)
        ids = register_layouts(self.engine, "hall", [LAYOUT])
        self.pipeline = Pipeline(
            {LAYOUT.key: (ids[LAYOUT.key], LAYOUT)},
            [of or meter()],
            self.writer.submit,
            clock_ms=self.clock.now_ms,
            interval_s=900,
        )
        self.replayed = self.pipeline.restore(self.reader)
        self.settle()
        self.reworker = Reworker(self.pipeline, self.reader, self.clock)

    def feed(self, readings) -> None:
        """(seconds, kWh) or (seconds, kWh, kW) as they arrive; the clock follows the newest."""
        for at_s, kwh, *kw in readings:
            self.clock.ms = max(self.clock.ms, round(at_s * 1000))
            values = np.array([kwh, kw[0] if kw else math.nan])
            self.pipeline.accept(Scan(LAYOUT, round(at_s * 1000), values, np.zeros(2, dtype=np.uint8)))
        self.settle()

    def settle(self) -> None:
        assert submit_and_wait(self.writer, Commit())

    def rework(self) -> int:
        """Do everything that is to be done again; returns how much there was."""
        done = 0
        for _ in range(20 * LOOKS_AT_MOST):
            if not self.reader.past.reworks():
                return done
            done += asyncio.run(self.reworker.step())
            self.settle()
        raise AssertionError("it never ends")

    def rows(self):
        with self.engine.connect() as connection:
            names = (
                "start_s, quantity, coverage, quality, rate_avg, rate_max, caught_up, "
                "register_start, register_end, epoch, factor"
            )
            return connection.exec_driver_sql(f"SELECT {names} FROM intervals ORDER BY start_s").all()

    def revs(self):
        return {one.start_s: one.rev for one in self.reader.changed_intervals(0, 10_000)}

    def refusals(self):
        return [(one.at_ms // 1000, one.code) for one in reversed(self.reader.past.refusals("main", 0, 1000))]

    def ask(self, sql: str, *values):
        with self.engine.begin() as connection:
            return connection.exec_driver_sql(sql, values)

    def leave(self) -> None:
        assert self.writer.close()
        self.reader.close()
        self.engine.dispose()
