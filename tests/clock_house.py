"""Store, pipeline and timekeeper, and a machine's clock that a test sets."""

import numpy as np

from monitor.clock import SteadyClock
from monitor.pipeline import Meter, Pipeline
from monitor.store.database import open_writer
from monitor.store.reader import StoreReader
from monitor.store.rows import Commit
from monitor.store.writer import Writer, register_layouts, submit_and_wait
from monitor.timekeeping import CONDITION, HeldScans, Timekeeper, newest_reading_ms
from rules.counters import CounterLimits
from rules.metering import MeterRules
from rules.quality import Quality
from rules.scan import Scan
from tests.one_meter import LAYOUT

METER = Meter("main", LAYOUT.key, 0, 1, MeterRules(CounterLimits(9000.0), 900, 90_000))
START_S = 1_795_510_800  # 2026-11-24T09:00:00Z
KW = 3600.0  # a kWh each second
HOUR_S = 3600


class Machine:
    """The machine's clock; ``set`` is what a person or a time server does to it."""

    def __init__(self, wall_s=START_S):
        self.steady_s = 1000.0
        self.offset_s = wall_s - self.steady_s

    def now_ms(self):
        return round((self.steady_s + self.offset_s) * 1000)

    def monotonic_s(self):
        return self.steady_s

    def set(self, by_s):
        self.offset_s += by_s


class House:
    """Store, pipeline and timekeeper, as the daemon has them; a register that counts true seconds."""

    def __init__(self, path, machine):
        self.machine = machine
        self.engine = open_writer(path)
        self.reader = StoreReader.open(path, "hall")
        self.writer = Writer(self.engine, "hall")
        self.writer.start()
        self.clock = SteadyClock(machine, newest_reading_ms(self.reader))
        self.held = HeldScans(self.clock)
        ids = register_layouts(self.engine, "hall", [LAYOUT])
        self.pipeline = Pipeline(
            {LAYOUT.key: (ids[LAYOUT.key], LAYOUT)},
            [METER],
            self.writer.submit,
            clock_ms=self.clock.now_ms,
            interval_s=900,
            stamps=self.held,
        )
        self.pipeline.restore(self.reader)
        self.keeper = Timekeeper(self.clock, self.pipeline, self.held, self.reader, self.writer)
        self.acknowledged = []

    def scan(self, at_ms=None):
        kwh = self.machine.steady_s - 1000.0 + 5000.0
        at_ms = self.clock.now_ms() if at_ms is None else at_ms
        return Scan(LAYOUT, at_ms, np.array([kwh, KW]), np.zeros(2, dtype=np.uint8))

    def read_for(self, seconds, every_s=10):
        """Read every ten seconds, and look at the clock before each."""
        for _ in range(0, seconds, every_s):
            self.machine.steady_s += every_s
            self.keeper.look()
            self.pipeline.accept(self.scan())
        self.settle()

    def settle(self):
        assert submit_and_wait(self.writer, Commit())

    def rows(self):
        """(start since 09:00, quantity, quality, caught up) of every interval of which something is known."""
        series = self.reader.intervals("main", 0, 2**40)
        columns = (series.start.astype(int) - START_S, series.quantity, series.quality, series.caught_up)
        rows = zip(*(column.tolist() for column in columns), strict=True)
        return [row for row in rows if row[2] < Quality.MISSING]

    def counted(self):
        """What is booked, and what the open interval holds."""
        readings = self.pipeline._tracks["main"].open_readings()
        track = self.pipeline._tracks["main"]
        opened = [total for at_ms, total in readings if at_ms >= track.open_start_s * 1000]
        before = [total for at_ms, total in readings if at_ms <= track.open_start_s * 1000]
        return sum(row[1] for row in self.rows()) + readings[-1][1] - (before[-1:] or opened[:1])[0]

    def scans(self):
        return [scan for _, _, scan in self.reader.follow(0)]

    def condition(self):
        return next(row for row in self.reader.conditions() if row.device == CONDITION)

    def leave(self):
        assert self.writer.close()
        self.reader.close()
        self.engine.dispose()
