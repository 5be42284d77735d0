"""What becomes of a VTN's event here: the real desk and the real store, and a VTN that is only words."""

import pytest
from sqlalchemy.exc import OperationalError

from rules.curtailment import Life, Mode
from rules.openadr import Part, VtnSignal
from tests.openadr_hall import FREE, HALF, Hall, full_disk, told
from tests.unit.test_config_openadr import KEY
from tests.unit.test_dispatch_desk import HOUR, NOW


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
