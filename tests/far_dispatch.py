"""The real dispatcher on the real store; fake are the wire's far end and the time."""

import asyncio
from dataclasses import dataclass, field
from types import SimpleNamespace
from zoneinfo import ZoneInfo

from drivers.contract import NotObeyed, Unreachable, Where, Written
from monitor.clock import SteadyClock
from monitor.dispatch.dispatcher import Dispatcher
from monitor.dispatch.limiter import Sight
from monitor.dispatch.limiter_desk import LimiterOrders
from monitor.store.database import open_writer
from monitor.store.event_reader import EventReader
from monitor.store.events import EventRow, add_event
from monitor.store.limiting import LimiterRecord, keep_record
from rules.curtailment import Life, Mode
from rules.demand import DemandWindow, window_start_s
from rules.limiter import LimiterRules

BEGIN_MS, STEP_S, WINDOW_S = 1_790_000_100_000, 60, 900
LIMIT_KW, STOOD = 1000.0, 100.0


@dataclass
class Machine:
    ms: int = BEGIN_MS

    def now_ms(self):
        return self.ms

    def monotonic_s(self):
        return self.ms / 1000


@dataclass
class Wire:
    """Devices at the far end: each shows a value, and takes another one unless something is wrong."""

    machine: Machine
    shown: dict[str, float] = field(default_factory=dict)
    wrong: dict[str, str] = field(default_factory=dict)
    written: list[tuple[int, str, float, bool]] = field(default_factory=list)

    @property
    def layouts(self):
        return tuple(SimpleNamespace(device=f"d{n}") for n in range(3))

    def _check(self, device):
        if self.wrong.get(device) in ("silent", "offline"):
            raise Unreachable(Where("far", device))

    async def show(self, device, point, *, own=False):
        self._check(device)
        return self.shown.get(device, STOOD)

    def check_back(self, device, point, value):
        assert value == STOOD

    async def write(self, device, point, value, *, own=False):
        self._check(device)
        self.written.append((self.machine.ms, device, value, own))
        if self.wrong.get(device) == "disobeys" and not own:
            raise NotObeyed(Where("far", device), shown=self.shown.get(device, STOOD), asked=value)
        self.shown[device] = value
        return Written(value, value, self.machine.ms, self.machine.ms)


class World:
    def __init__(self, folder, plan, rules):
        self.machine = Machine()
        self.wire = Wire(self.machine)
        self.clock = SteadyClock(self.machine)
        self.engine = open_writer(folder / "energy.db")
        self.plan = plan
        limits = LimiterRules(plan.dead_man_s, freeze_s=rules.freeze_s, blind_s=rules.blind_s)
        self.orders: LimiterOrders | None = LimiterOrders(plan, Mode.LIVE, limits, LIMIT_KW, "digest")
        for kind in ("simulated", "armed"):
            keep_record(self.engine, "hall", LimiterRecord(kind, "digest", "wang", BEGIN_MS))
        self.load_kw: float | None = 0.0
        self.energy_kws = self.kw = 0.0
        self.events = 0

    def window(self, now_ms):
        if self.load_kw is None:
            return None
        elapsed_s = now_ms // 1000 - window_start_s(now_ms / 1000, WINDOW_S)
        mean_kw = self.energy_kws / elapsed_s if elapsed_s else self.kw
        return DemandWindow(now_ms // 1000 - elapsed_s, WINDOW_S, elapsed_s, mean_kw, self.kw)

    async def begin(self):
        """A daemon's dispatcher begins, or begins again after a kill."""
        reader = EventReader(self.engine, "hall")
        sight = Sight(
            self.window, lambda _s: None, reader.limiter_past, reader.limiter_arming, ZoneInfo("Asia/Taipei")
        )
        self.dispatcher = Dispatcher(
            [self.wire], lambda work: work(self.engine), "hall", self.clock, [self.plan]
        )
        if self.orders is not None:
            self.dispatcher.limit(self.orders, sight)
        await self.dispatcher._load(is_first=True)

    async def event(self, length_s):
        self.events += 1
        now_ms = self.machine.ms
        row = EventRow(
            f"event-{self.events}", self.plan, Mode.LIVE, Life.SCHEDULED, now_ms, now_ms + 1000 * length_s,
            now_ms, "command", "wang", now_ms,
        )  # fmt: skip
        add_event(self.engine, "hall", row)
        await self.dispatcher._load(is_first=False)

    async def step(self):
        """A minute: what flows is counted, the dispatcher takes its turn, and its writes are carried out."""
        now_s = self.machine.ms // 1000
        off_kw = sum(
            a.expected_kw for a in self.plan.actions if self.wire.shown.get(a.device, STOOD) != STOOD
        )
        self.energy_kws = 0.0 if now_s % WINDOW_S == 0 else self.energy_kws
        self.kw = max(0.0, (self.load_kw or 0.0) - off_kw)
        for _ in range(2):  # the second sees what the first has begun
            await self.dispatcher._turn()
            while self.dispatcher._tasks:
                await asyncio.gather(*self.dispatcher._tasks)
        self.energy_kws += self.kw * STEP_S
        self.machine.ms += STEP_S * 1000
