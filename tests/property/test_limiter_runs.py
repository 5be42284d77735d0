"""What holds in every run that the dispatcher carries out for the limiter, whatever fails on the way.

Real dispatcher, store and books; fake are the wire's far end and the time.
"""

import asyncio
import tempfile
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.contract import DeviceCondition, DeviceNews, NotObeyed, Unreachable, Where, Written
from monitor.clock import SteadyClock
from monitor.dispatch.dispatcher import Dispatcher
from monitor.dispatch.limiter import Sight
from monitor.dispatch.limiter_desk import LimiterOrders
from monitor.store.database import open_writer
from monitor.store.event_reader import EventReader
from monitor.store.events import EventRow, add_event
from monitor.store.limiting import LimiterRecord, keep_record
from rules.curtailment import Life, Mode, Plan
from rules.demand import DemandWindow, window_start_s
from rules.limiter import LimiterRules
from rules.shedding import Action, Ramp

BEGIN_MS, STEP_S, WINDOW_S, DAY_MS = 1_790_000_100_000, 60, 900, 86_400_000
LIMIT_KW, STOOD = 1000.0, 100.0
CALM_STEPS = 200

times = st.sampled_from([0.0, 120.0, 600.0])


@st.composite
def plans(draw):
    def action(n):
        return Action(
            f"a{n}",
            f"d{n}",
            "p",
            to=draw(st.sampled_from([0.0, 50.0, 60.0])),
            by=None,
            low=40.0,
            high=90.0,
            release=None,
            expected_kw=draw(st.floats(0, 300)),
            ramp=draw(st.sampled_from([None, Ramp(20.0, 60.0)])),
            min_off_s=draw(times),
            min_on_s=draw(times),
            priority=draw(st.integers(1, 2)),
            rotates=draw(st.booleans()),
            writes_per_day=draw(st.integers(4, 14)),
        )

    actions = tuple(action(n) for n in range(draw(st.integers(1, 3))))
    return Plan(
        "summer", Mode.LIVE, draw(st.sampled_from([900.0, 3600.0])), actions, resumes=False, notify_s=0
    )


rules = st.builds(
    LimiterRules, dead_man_s=st.just(0.0), freeze_s=st.sampled_from([60.0, 180.0]), blind_s=st.just(300.0)
)
blocks = st.lists(
    st.tuples(
        st.sampled_from([None, 0.0, 0.0, 900.0, 1500.0, 2000.0, 2000.0]),
        st.sampled_from(["fine"] * 6 + ["offline", "silent", "disobeys", "restart", "event"]),
        st.integers(0, 2),
    ),
    min_size=4,
    max_size=16,
)
"""Load of five minutes (None = nobody measured it), what happens meanwhile, and to which device."""


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
        self.orders = LimiterOrders(plan, Mode.LIVE, limits, LIMIT_KW, "digest")
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


def tell(world, kind, device):
    for n in range(3):
        told = DeviceCondition.OFFLINE if kind == "offline" and n == device else DeviceCondition.ONLINE
        world.dispatcher.heard(DeviceNews(f"d{n}", told))
    world.wire.wrong = {f"d{device}": kind} if kind in ("offline", "silent", "disobeys") else {}


async def lived(world, blocks):
    await world.begin()
    for load_kw, kind, device in blocks:
        world.load_kw = load_kw
        if kind == "restart":
            await world.begin()
        if kind == "event":
            await world.event(300)
        tell(world, kind, device)
        for _ in range(5):
            await world.step()
    world.load_kw = 0.0
    tell(world, "fine", 0)
    for _ in range(CALM_STEPS):
        await world.step()
        rows = EventReader(world.engine, "hall").events(lives=[Life.ACTIVE, Life.SCHEDULED, Life.NOTIFIED])
        if not rows and not EventReader(world.engine, "hall").shed():
            return


@settings(max_examples=25, deadline=None)
@given(plans(), rules, blocks)
def test_every_run_keeps_its_promises_and_is_handed_back(plan, rules, blocks):
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder), plan, rules)
        try:
            asyncio.run(lived(world, blocks))
            reader = EventReader(world.engine, "hall")
            assert reader.shed() == []
            assert all(row.life in (Life.ENDED, Life.ABORTED) for row in reader.events())
            runs = [row for row in reader.events() if row.source == "limiter"]
            decisions = [step for run in runs for step in reader.steps(run.id) if step["kind"] == "decision"]
        finally:
            world.engine.dispose()
    assert all(value == STOOD for value in world.wire.shown.values())
    for action in plan.actions:
        keeps_its_promises(action, world)
    shed_ms = [step["at_ms"] for step in decisions if "shed" in step["data"]]
    freeze_ms = 1000 * rules.freeze_s
    assert all(later - one >= freeze_ms for one, later in pairwise(shed_ms))


def keeps_its_promises(action, world):
    """Floors, minimum times and budget of one point, as its device saw them."""
    mine = [(ms, value, own) for ms, device, value, own in world.wire.written if device == action.device]
    shed_ms = back_ms = None
    for ms, value, own in mine:
        since = [at for at, _, _ in mine if ms - DAY_MS < at <= ms]
        assert len(since) <= action.writes_per_day
        if own:
            assert value == STOOD
            assert shed_ms is None or ms >= shed_ms + 1000 * action.min_off_s
            shed_ms, back_ms = None, ms
            continue
        assert action.low <= value <= action.high
        if shed_ms is None:
            assert back_ms is None or world.events or ms >= back_ms + 1000 * action.min_on_s
            shed_ms = ms
