"""What holds in every run that the dispatcher carries out for the limiter, whatever fails on the way.

Real dispatcher, store and books; fake are the wire's far end and the time.
"""

import asyncio
import tempfile
from itertools import pairwise
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.contract import DeviceCondition, DeviceNews
from monitor.store.event_reader import EventReader
from rules.curtailment import Life, Mode, Plan
from rules.limiter import LimiterRules
from rules.shedding import Action, Ramp
from tests.far_dispatch import STOOD, World

DAY_MS = 86_400_000
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
