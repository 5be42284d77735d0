"""Whose turn it is: decided when an event begins, however long before that it was written down."""

import asyncio
from types import SimpleNamespace

from monitor.dispatch.dispatcher import Dispatcher
from monitor.event_watch import chosen_of
from monitor.store.database import open_writer
from monitor.store.event_reader import EventReader
from rules.curtailment import Mode, Plan
from rules.shedding import Action, Sheds
from tests.event_rows import EventRows

PATIENCE_S = 60
MIN_MS = 60_000
ACTIONS = tuple(
    Action(name, name, "limit", 50.0, None, 0.0, 100.0, None, kw, rotates=True, sheds=Sheds.DOWN)
    for name, kw in (("a", 60.0), ("b", 10.0), ("c", 20.0))
)
PLAN = Plan("turning", Mode.DRY_RUN, 36_000.0, ACTIONS, notify_s=0.0)


class Chillers:
    """The far end: every device shows 100."""

    layouts = tuple(SimpleNamespace(device=action.id) for action in ACTIONS)

    async def show(self, device, point, *, own=False):
        return 100.0

    def check_back(self, device, point, value):
        """It takes anything."""


class Set:
    """A clock that the test sets."""

    is_holding = False

    def __init__(self, ms):
        self.ms = ms

    def now_ms(self):
        return self.ms

    def monotonic_s(self):
        return self.ms / 1000


async def until(condition):
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110  what becomes of it stands in a store that tells nobody
            await asyncio.sleep(0.01)


def test_events_that_are_written_down_at_once_take_turns(tmp_path):
    engine = open_writer(tmp_path / "energy.db")
    begin_ms = 1_764_000_000_000
    rows = EventRows(engine, "hall", PLAN)
    for place, name in enumerate(("one", "two", "three", "four")):
        start_ms = begin_ms + place * 60 * MIN_MS
        rows.event(name, start_ms, start_ms + 30 * MIN_MS, mode=Mode.DRY_RUN, kw=5.0)
    clock, reader = Set(begin_ms - MIN_MS), EventReader(engine, "hall")

    async def through():
        one = Dispatcher([Chillers()], lambda work: work(engine), "hall", clock)
        task = asyncio.create_task(one.run())
        for place, name in enumerate(("one", "two", "three", "four")):
            for at_min in (1, 45):
                clock.ms = begin_ms + (place * 60 + at_min) * MIN_MS
                one.look()
                await until(
                    lambda name=name, shed=at_min == 1: (
                        [track.is_shed for track in reader.tracks(name).values()] == [shed]
                    )
                )
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(through())
    taken = {row.id: (set(reader.tracks(row.id)), set(chosen_of(reader, row))) for row in reader.events()}
    assert taken == {
        "one": ({"a"}, {"a"}),
        "two": ({"b"}, {"b"}),
        "three": ({"c"}, {"c"}),
        "four": ({"a"}, {"a"}),
    }
    engine.dispose()
