"""A site that hears of a VTN's events: the real desk and the real store, and a VTN that is only words."""

import asyncio
import json

from sqlalchemy.exc import OperationalError

from monitor.dispatch.desk import EventDesk
from monitor.openadr.reception import Reception
from monitor.store.database import StoreError, open_writer
from monitor.store.doing import Doing
from monitor.store.event_reader import EventReader
from monitor.store.events import Step, move_event
from rules.openadr import Part, VtnEvent, VtnSignal
from tests.unit.test_config_openadr import KEY, loaded
from tests.unit.test_dispatch_desk import HOUR, NOW, Fixed

HALF = HOUR // 2
FREE = (" programme: taipower-demand-bidding,", "")


class Hall:
    """A site that hears of events."""

    def __init__(self, folder, *changes, key=KEY):
        self.site = loaded(folder, *(changes or (FREE,)))
        self.clock, self.engine, self.changes, self.key = Fixed(), open_writer(self.site.store_path), 0, key
        self.desk = EventDesk(self.site, self.clock, self.count)
        self.troubles = []
        self.restart()

    def restart(self):
        done = Doing(lambda work: work(self.engine))

        async def ask(request):
            if self.troubles:
                raise self.troubles.pop()
            return await done(lambda engine: self.desk.carry_out(engine, "hall", request))

        settings = self.site.site.curtailment.openadr
        self.reception = Reception(self.site, settings, self.clock, done, ask, self.say_key, self.count)

    def say_key(self):
        if self.key is None:
            raise StoreError("openadr.no_key", where="wang.key")
        return self.key

    def count(self):
        self.changes += 1

    def hear(self, *events):
        async def take():
            return [await self.reception.take(event) for event in events]

        return [(opt.event, opt.modification, opt.is_in) for opt in asyncio.run(take())]

    def do(self, what):
        return asyncio.run(getattr(self.reception, what)())

    def events(self):
        return EventReader(self.engine, "hall").events()

    def only(self):
        (row,) = self.events()
        return row

    def steps(self, event="e1"):
        return [step["kind"] for step in EventReader(self.engine, "hall").steps(event)]

    def becomes(self, life, event="e1"):
        before = next(row.life for row in self.events() if row.id == event)
        assert move_event(self.engine, "hall", event, (before,), life, Step(event, self.clock.ms, life.value))

    def reasons(self):
        with self.engine.connect() as rows:
            query = "SELECT detail FROM audit WHERE action = 'openadr.event' ORDER BY id"
            found = [json.loads(detail) for (detail,) in rows.exec_driver_sql(query).all()]
        return [one["reason"]["code"] if "reason" in one else one["opt"] for one in found]


def told(id_="e1", number=0, start=HOUR, lengths=(HALF,), values=(2.0,), status="far", **more):
    parts, at_ms = [], NOW + start
    for length, value in zip(lengths, values, strict=True):
        parts.append(Part(at_ms, at_ms + length, value))
        at_ms += length
    signal = VtnSignal("SIMPLE", "level", tuple(parts))
    facts = {"end_ms": at_ms, "signals": (signal,), "market_context": "http://tp/dr", **more}
    return VtnEvent(id_, number, status, start_ms=NOW + start, **facts)


def full_disk():
    return OperationalError("UPDATE", {}, Exception("database or disk is full"))
