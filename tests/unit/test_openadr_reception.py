"""What becomes of a VTN's event here: the real desk and the real store, and a VTN that is only words."""

import asyncio
import json

import pytest
from sqlalchemy.exc import OperationalError

from monitor.dispatch.desk import EventDesk
from monitor.openadr.reception import Reception
from monitor.store.database import StoreError, open_writer
from monitor.store.doing import Doing
from monitor.store.event_reader import EventReader
from monitor.store.event_requests import EventRequest
from monitor.store.events import Step, move_event
from rules.curtailment import Life, Mode
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


def test_an_event_is_begun_once_however_often_it_is_told(tmp_path):
    hall = Hall(tmp_path)
    assert hall.hear(told(), told()) == [("e1", 0, True)] * 2
    hall.restart()
    assert hall.hear(told()) == [("e1", 0, True)]
    row = hall.only()
    assert (row.id, row.plan.id, row.mode, row.life) == ("e1", "summer", Mode.LIVE, Life.SCHEDULED)
    assert (row.start_ms, row.end_ms, row.wanted_kw) == (NOW + HOUR, NOW + HOUR + HALF, None)
    assert (row.source, row.who, row.signal.ttl_s) == ("openadr", "wang (city-hall)", 900.0)
    assert hall.reasons() == ["in"]


def test_what_was_begun_before_a_power_cut_is_taken_up_and_not_begun_again(tmp_path):
    hall = Hall(tmp_path)
    hall.hear(told())
    with hall.engine.begin() as rows:
        rows.exec_driver_sql("DELETE FROM openadr_events")
    hall.restart()
    assert hall.hear(told()) == [("e1", 0, True)]
    assert (hall.only().id, hall.only().life) == ("e1", Life.SCHEDULED)


def test_an_event_of_somebody_else_is_not_taken_for_the_vtns(tmp_path):
    hall = Hall(tmp_path)
    assert hall.hear(told("peak/7"), told("peak-7", start=3 * HOUR)) == [
        ("peak/7", 0, True),
        ("peak-7", 0, False),
    ]
    assert hall.reasons() == ["in", "dispatch.known_event"]


def test_an_id_of_any_letters_becomes_one_for_a_command_line(tmp_path):
    hall = Hall(tmp_path)
    assert hall.hear(told("夏季 peak/#7")) == [("夏季 peak/#7", 0, True)]
    assert hall.only().id == "peak-7"


def test_a_change_moves_the_event_and_an_old_one_is_answered_as_before(tmp_path):
    hall = Hall(tmp_path)
    later = told(number=2, start=2 * HOUR, values=(1.0,))
    assert hall.hear(told(), later, told(number=1)) == [("e1", 0, True), ("e1", 2, True), ("e1", 1, True)]
    row = hall.only()
    assert (row.start_ms, row.end_ms, row.wanted_kw) == (NOW + 2 * HOUR, NOW + 2 * HOUR + HALF, 40.0)
    assert hall.steps() == ["scheduled", "changed", "signal"]


def test_what_began_keeps_its_start_when_it_is_changed(tmp_path):
    hall = Hall(tmp_path)
    hall.hear(told())
    hall.clock.ms = NOW + HOUR + 60_000
    hall.becomes(Life.ACTIVE)
    hall.hear(told(number=1, lengths=(HOUR,), status="active"))
    row = hall.only()
    assert (row.start_ms, row.end_ms, row.life) == (NOW + HOUR, NOW + 2 * HOUR, Life.ACTIVE)


def test_a_cancelled_event_is_cancelled_or_aborted(tmp_path):
    hall = Hall(tmp_path)
    off = told(number=1, status="cancelled")
    assert hall.hear(told(), off, off) == [("e1", 0, True), ("e1", 1, True), ("e1", 1, True)]
    assert hall.only().life is Life.CANCELLED
    hall.hear(told("e2", start=2 * HOUR))
    hall.becomes(Life.ACTIVE, "e2")
    hall.hear(told("e2", number=1, start=2 * HOUR, status="cancelled"))
    assert [row.life for row in hall.events()] == [Life.CANCELLED, Life.ABORTED]
    assert hall.do("opted_out_here") == []


def test_an_event_that_is_cancelled_without_a_new_number_ends_too(tmp_path):
    hall = Hall(tmp_path)
    hall.hear(told(), told(status="cancelled"))
    assert hall.only().life is Life.CANCELLED


def test_a_cancelled_event_sheds_nothing_although_the_key_is_gone(tmp_path):
    hall = Hall(tmp_path)
    hall.hear(told())
    hall.key = None
    assert hall.hear(told(number=1, status="cancelled")) == [("e1", 1, True)]
    row = hall.only()
    assert (row.life, row.signal.is_active, row.signal.ttl_s) == (Life.SCHEDULED, False, None)


def test_what_was_never_begun_may_be_cancelled_or_over(tmp_path):
    hall = Hall(tmp_path)
    ended = [told("a", status="cancelled"), told("b", status="completed")]
    assert hall.hear(*ended) == [("a", 0, True), ("b", 0, True)]
    assert hall.events() == []


MUCH = VtnSignal("LOAD_DISPATCH", "delta", (Part(NOW + HOUR, NOW + 2 * HOUR, -81.0),), 1e3)


@pytest.mark.parametrize(
    ("event", "change", "code"),
    [
        (told(signals=()), None, "openadr.no_rule"),
        (told(values=(7.0,)), None, "openadr.no_rule"),
        (told(start=-HOUR), None, "dispatch.past"),
        (told(lengths=(2 * HOUR,)), None, "dispatch.longer_than_dead_man"),
        (
            told(start=60_000),
            ("mode: live", "mode: live\n      least_notice_s: 600"),
            "dispatch.notice_too_short",
        ),
        (told(), ("poll_s: 10", "opt_in: never"), "openadr.opts_never"),
        (told(signals=(MUCH,)), None, "dispatch.not_enough"),
    ],
)
def test_what_cannot_be_carried_out_is_opted_out_of_with_its_reason(tmp_path, event, change, code):
    hall = Hall(tmp_path, FREE, *([change] if change else []))
    assert hall.hear(event, event) == [("e1", 0, False)] * 2
    assert hall.events() == []
    assert hall.reasons() == [code]


@pytest.mark.parametrize(("key", "code"), [("guess", "dispatch.wrong_key"), (None, "openadr.no_key")])
def test_what_nobody_arms_is_opted_out_of(tmp_path, key, code):
    hall = Hall(tmp_path, key=key)
    assert hall.hear(told()) == [("e1", 0, False)]
    assert (hall.events(), hall.reasons()) == ([], [code])


def test_two_events_at_a_time_are_one_too_many(tmp_path):
    hall = Hall(tmp_path)
    assert hall.hear(told("a"), told("b"), told("c", start=2 * HOUR)) == [
        ("a", 0, True), ("b", 0, False), ("c", 0, True),
    ]  # fmt: skip
    assert hall.reasons() == ["in", "dispatch.overlaps", "in"]


def test_what_the_programme_does_not_take_is_opted_out_of(tmp_path):
    hall = Hall(tmp_path, ("taipower-demand-bidding", "taipower-demand-bidding-2016"))
    assert hall.hear(told()) == [("e1", 0, False)]
    assert hall.reasons()[0].startswith(("dr.", "terms.", "dispatch.", "programme."))
    assert hall.events() == []


def test_a_change_that_cannot_be_carried_out_ends_what_was_agreed(tmp_path):
    hall = Hall(tmp_path)
    assert hall.hear(told(), told(number=1, lengths=(2 * HOUR,))) == [("e1", 0, True), ("e1", 1, False)]
    assert hall.only().life is Life.CANCELLED
    assert hall.hear(told(number=2)) == [("e1", 2, True)]
    assert [(row.id, row.life) for row in hall.events()] == [
        ("e1", Life.CANCELLED), ("e1-m2", Life.SCHEDULED),
    ]  # fmt: skip


def test_a_test_is_a_dry_run_and_becomes_no_live_event_by_itself(tmp_path):
    hall = Hall(tmp_path, key=None)
    assert hall.hear(told(is_test=True)) == [("e1", 0, True)]
    assert hall.only().mode is Mode.DRY_RUN
    hall.key = KEY
    hall.hear(told(number=1))
    assert [(row.id, row.mode, row.life) for row in hall.events()] == [
        ("e1", Mode.DRY_RUN, Life.CANCELLED), ("e1-m1", Mode.LIVE, Life.SCHEDULED),
    ]  # fmt: skip


def test_level_0_wants_nothing_and_ends_what_was_wanted(tmp_path):
    hall = Hall(tmp_path)
    assert hall.hear(told(values=(0.0,))) == [("e1", 0, True)]
    assert hall.events() == []
    hall.hear(told(number=1), told(number=2, values=(0.0,)))
    assert hall.only().life is Life.CANCELLED
    assert hall.do("opted_out_here") == []


def test_an_event_that_began_before_we_heard_of_it_begins_now(tmp_path):
    hall = Hall(tmp_path)
    hall.hear(told(start=-60_000, status="active"))
    assert (hall.only().start_ms, hall.only().end_ms) == (NOW, NOW + HALF - 60_000)


def test_an_event_without_a_length_ends_with_the_plans_patience(tmp_path):
    hall = Hall(tmp_path)
    hall.hear(told(end_ms=None))
    assert hall.only().end_ms == NOW + 2 * HOUR


def test_a_start_that_may_be_put_off_is_put_off_as_a_whole(tmp_path):
    hall = Hall(tmp_path)
    hall.hear(told(tolerance_s=600.0))
    row = hall.only()
    assert NOW + HOUR < row.start_ms <= NOW + HOUR + 600_000
    assert row.end_ms - row.start_ms == HALF


def test_what_is_ended_here_is_told_once_and_stays_so(tmp_path):
    hall = Hall(tmp_path)
    hall.hear(told())
    hall.becomes(Life.ACTIVE)
    wish = EventRequest("abort", hall.clock.ms, "root", event="e1")
    hall.desk.carry_out(hall.engine, "hall", wish)
    assert [(opt.event, opt.is_in) for opt in hall.do("opted_out_here")] == [("e1", False)]
    assert hall.do("opted_out_here") == []
    assert hall.hear(told(), told(number=1)) == [("e1", 0, False), ("e1", 1, False)]
    assert hall.only().life is Life.ABORTED
    assert hall.reasons() == ["in", "openadr.ended_here"]


def test_levels_change_while_it_lasts_also_after_a_restart(tmp_path):
    hall = Hall(tmp_path)
    thirds = told(lengths=(600_000,) * 3, values=(1.0, 2.0, 0.0))
    hall.hear(thirds)
    hall.clock.ms = NOW + HOUR
    hall.becomes(Life.ACTIVE)
    hall.do("look")
    assert (hall.only().wanted_kw, hall.only().signal.is_active) == (40.0, True)
    hall.restart()
    hall.hear(thirds)
    hall.clock.ms = NOW + HOUR + 600_000
    hall.do("look")
    assert (hall.only().wanted_kw, hall.only().signal.is_active) == (None, True)
    hall.clock.ms = NOW + HOUR + 1_200_000
    hall.do("look")
    assert hall.only().signal.is_active is False
    hall.clock.ms = NOW + HOUR + 1_800_000
    before = hall.steps()
    hall.do("look")
    assert hall.steps() == before == ["scheduled", "active", "changed", "signal"]


def test_a_level_that_is_refused_is_told_once_and_the_event_goes_on(tmp_path):
    hall = Hall(tmp_path)
    hall.hear(told(lengths=(600_000,) * 2, values=(1.0, 2.0)))
    hall.becomes(Life.ACTIVE)
    hall.key, hall.clock.ms = "guess", NOW + HOUR + 600_000
    hall.do("look")
    hall.do("look")
    assert hall.only().wanted_kw == 40.0
    with hall.engine.connect() as rows:
        refused = rows.exec_driver_sql("SELECT count(*) FROM audit WHERE action = 'dr.change'").scalar()
    assert refused == 1


def test_what_the_vtn_said_holds_anew_with_each_answer_and_is_unknown_without(tmp_path):
    hall = Hall(tmp_path)
    hall.hear(told())
    hall.clock.ms = NOW + 600_000
    changes = hall.changes
    hall.do("heard")
    assert (hall.only().signal.at_ms, hall.changes) == (NOW + 600_000, changes + 1)
    hall.clock.ms += 900_000
    assert hall.only().signal.state(hall.clock.ms) is None
    hall.do("silent")
    hall.do("silent")
    hall.do("heard")
    assert hall.only().signal.state(hall.clock.ms) is True
    assert hall.steps() == ["scheduled", "signal_lost", "signal"]
    hall.becomes(Life.CANCELLED)
    changes = hall.changes
    hall.do("heard")
    hall.do("silent")
    hall.do("look")
    assert hall.changes == changes
    assert hall.steps()[-1] == "cancelled"


def full_disk():
    return OperationalError("UPDATE", {}, Exception("database or disk is full"))


def test_a_signal_that_the_store_could_not_keep_is_told_again(tmp_path):
    hall = Hall(tmp_path)
    hall.hear(told(lengths=(600_000,) * 2, values=(2.0, 0.0)))
    hall.becomes(Life.ACTIVE)
    hall.clock.ms = NOW + HOUR + 600_000
    hall.troubles = [full_disk()]
    with pytest.raises(OperationalError):
        hall.do("look")
    assert hall.only().signal.is_active is True
    hall.do("look")
    assert hall.only().signal.is_active is False


@pytest.mark.parametrize("number", [0, 1])
@pytest.mark.parametrize("end_ms", [None, NOW + HOUR + HALF])
def test_what_is_completed_early_or_had_no_length_ends(tmp_path, number, end_ms):
    hall = Hall(tmp_path)
    hall.hear(told(end_ms=end_ms))
    hall.becomes(Life.ACTIVE)
    hall.clock.ms = NOW + HOUR + 60_000
    over = told(number=number, end_ms=end_ms, status="completed")
    assert hall.hear(over, over) == [("e1", number, True)] * 2
    assert hall.only().life is Life.ABORTED
    hall.clock.ms += 60_000
    hall.do("heard")
    assert hall.only().signal.at_ms == NOW
    assert (hall.do("opted_out_here"), hall.reasons()) == ([], ["in", "in"])


def test_what_is_completed_with_a_shorter_length_ends(tmp_path):
    hall = Hall(tmp_path)
    hall.hear(told())
    hall.becomes(Life.ACTIVE)
    hall.clock.ms = NOW + HOUR + 600_000
    hall.hear(told(number=1, lengths=(600_000,), status="completed"))
    assert hall.only().life is Life.ABORTED


@pytest.mark.parametrize("number", [0, 1])
def test_what_is_completed_in_time_ends_by_itself_also_where_it_began_late(tmp_path, number):
    hall = Hall(tmp_path)
    hall.hear(told(tolerance_s=600.0))
    hall.becomes(Life.ACTIVE)
    hall.clock.ms = NOW + HOUR + HALF
    over = told(number=number, tolerance_s=600.0, status="completed")
    hall.hear(over)
    hall.do("heard")
    assert (hall.only().life, hall.only().signal.at_ms) == (Life.ACTIVE, hall.clock.ms)
    hall.becomes(Life.ENDED)
    changes = hall.changes
    hall.hear(over)
    hall.do("heard")
    assert hall.changes == changes
    assert hall.only().life is Life.ENDED


NEVER_MS = 253_402_286_400_000  # 9999-12-31T20:00Z, in Taipei another year already


@pytest.mark.parametrize(
    "more",
    [
        {"start": NEVER_MS - NOW},
        {"start": -NOW - NEVER_MS // 4},
        {"end_ms": NEVER_MS},
        {"tolerance_s": 1e12},
    ],
)
def test_an_absurd_instant_is_opted_out_of_and_holds_up_no_other(tmp_path, more):
    hall = Hall(tmp_path)
    assert hall.hear(told("a", **more), told("b")) == [("a", 0, False), ("b", 0, True)]
    assert hall.reasons() == ["openadr.too_far", "in"]


def test_what_nobody_foresaw_is_told_once_and_holds_up_no_other(tmp_path, caplog):
    hall = Hall(tmp_path)
    hall.troubles = [OverflowError("date value out of range")]
    assert hall.hear(told("a"), told("b"), told("a")) == [("a", 0, False), ("b", 0, True), ("a", 0, False)]
    assert hall.reasons() == ["openadr.unforeseen", "in"]
    assert len([record for record in caplog.records if record.exc_info]) == 1


def test_what_the_store_could_not_keep_is_not_opted_out_of(tmp_path):
    hall = Hall(tmp_path)
    hall.troubles = [full_disk()]
    with pytest.raises(OperationalError):
        hall.hear(told())
    assert hall.reasons() == []
    assert hall.hear(told()) == [("e1", 0, True)]
