"""An event is held against its programme before it is written down; drafts are held when confirmed."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from config.problems import ConfigurationError
from config.words import LANGUAGES, say_error
from monitor.store.database import LedgerRefused, StoreError
from monitor.store.event_reader import EventReader
from monitor.store.event_requests import EventListRequest, EventRequest
from tests.unit.test_config_curtailment import KEY, loaded
from tests.unit.test_dispatch_desk import HOUR, Desk

TAIPEI = ZoneInfo("Asia/Taipei")
BY_BID = ("mode: live", "mode: live\n      programme: taipower-demand-bidding-2017\n      bid: 10.5")
ENOUGH = ("by: 2", "by: 2, expected_kw: 90")
LONG = ("dead_man_s: 3600", "dead_man_s: 86400")


def ms(day, hour, minute=0, month=6):
    return int(datetime(2018, month, day, hour, minute, tzinfo=TAIPEI).timestamp() * 1000)


def desk(folder, *more):
    one = Desk(folder, BY_BID, ENOUGH, LONG, *more)
    one.clock.ms = ms(4, 9)
    return one


def ask(one, start_ms, hours=2.0, what="schedule", **more):
    end_ms = start_ms + round(HOUR * hours)
    return one.ask(what, start_ms=start_ms, end_ms=end_ms, **more)


def refused(one, *words, **more):
    with pytest.raises(StoreError) as caught:
        ask(one, *words, **more)
    error = {"code": caught.value.code, "data": caught.value.data}
    for language in LANGUAGES:
        assert say_error(error, language) != error["code"]  # in words, with everything filled in
    return error


def test_an_event_within_its_programme_is_written_down_and_what_is_odd_is_remarked(tmp_path):
    one = desk(tmp_path)
    outcome = ask(one, ms(4, 13))
    assert [remark["code"] for remark in outcome.remarks] == ["dr.finding_bid_above_cap"]
    assert one.events()[0].programme == "taipower-demand-bidding-2017"
    assert one.audit()[0][2]["remarks"] == "dr.finding_bid_above_cap"
    odd = ask(one, ms(5, 13), 1.0)
    assert "dr.finding_length_not_in_text" in {remark["code"] for remark in odd.remarks}


def test_notice_is_by_the_evening_before_or_two_hours_ahead(tmp_path):
    one = desk(tmp_path)
    error = refused(one, ms(4, 10, 59))
    assert error["code"] == "dispatch.terms_notice_too_short"
    assert "D-1 18:00 / 120 min" in say_error(error, "en")
    assert one.events() == []
    assert one.audit()[0][2]["refused"] == "dispatch.terms_notice_too_short"
    assert ask(one, ms(4, 11)).life == "scheduled"


def test_one_event_a_day_and_36_hours_a_month_where_only_live_ones_count(tmp_path):
    one = desk(tmp_path)
    first = ask(one, ms(5, 9), 4.0)
    assert refused(one, ms(5, 18))["code"] == "dispatch.terms_too_many_a_day"
    one.ask("cancel", event=first.event)
    ask(one, ms(6, 9), 4.0, mode="dry-run")
    for day in range(7, 16):
        ask(one, ms(day, 9), 4.0)
    error = refused(one, ms(18, 9))
    assert error["code"] == "dispatch.terms_too_many_hours"
    assert (error["data"]["hours"], error["data"]["allowed"]) == ("38", "36")
    assert ask(one, ms(2, 9, month=7)).life == "scheduled"


def test_less_than_the_programme_contracts_is_refused(tmp_path):
    assert (
        refused(desk(tmp_path), ms(5, 9), wanted_kw=40.0)["code"] == "dispatch.terms_under_programme_minimum"
    )


def test_the_programme_of_a_request_goes_before_that_of_the_plan(tmp_path):
    one = desk(tmp_path)
    assert ask(one, ms(5, 9), programme="taipower-demand-bidding").life == "scheduled"
    assert one.events()[0].programme == "taipower-demand-bidding"
    assert refused(one, ms(5, 15))["code"] == "dispatch.terms_too_many_a_day"  # the same family


def test_a_programme_of_which_nothing_is_known_is_remarked(tmp_path):
    one = desk(tmp_path)
    (remark,) = ask(one, ms(5, 9), programme="a utility's own").remarks
    assert "Nothing is known of the programme 'a utility's own'" in say_error(remark, "en")
    (tmp_path / "now").mkdir()
    now = Desk(tmp_path / "now", ENOUGH)
    (remark,) = ask(now, now.clock.ms + HOUR, 0.5, programme="taipower-demand-bidding").remarks
    assert remark["code"] == "dr.no_text_on_day"
    assert "taipower-demand-bidding-2017" in say_error(remark, "en")


def test_a_programme_that_nobody_knows_is_told_with_the_plan(tmp_path):
    with pytest.raises(ConfigurationError) as caught:
        loaded(tmp_path, ("mode: live", "mode: live\n      programme: taipower-demand-biding"))
    text = str(caught.value)
    assert "no programme 'taipower-demand-biding'" in text
    assert "did you mean 'taipower-demand-bidding'" in text


def test_a_draft_is_no_event_until_somebody_with_a_key_confirms_it(tmp_path):
    one = desk(tmp_path)
    draft = ask(one, ms(5, 9), operator="", key="", is_draft=True)
    assert draft.life == "draft"
    other = ask(one, ms(5, 9))  # a draft takes no time up
    second = ask(one, ms(5, 9), operator="", key="", is_draft=True)  # and may stand beside an event
    assert second.life == "draft"
    one.clock.ms += HOUR
    with pytest.raises(StoreError) as caught:
        one.ask("confirm", event=draft.event, operator="", key="")
    assert caught.value.code == "dispatch.no_operator"
    with pytest.raises(StoreError) as caught:
        one.ask("confirm", event=draft.event)
    assert caught.value.code == "dispatch.overlaps"
    one.ask("cancel", event=other.event)
    confirmed = one.ask("confirm", event=draft.event, operator="wang", key=KEY)
    assert (confirmed.life, len(confirmed.remarks)) == ("scheduled", 1)
    (row,) = [each for each in one.events() if each.id == draft.event]
    assert row.noticed_ms == one.clock.ms
    kinds = [step["kind"] for step in EventReader(one.engine, "hall").steps(draft.event)]
    assert kinds == ["draft", "scheduled"]
    with pytest.raises(StoreError) as caught:
        one.ask("confirm", event=draft.event)
    assert caught.value.code == "dispatch.not_draft"


def test_a_dry_run_and_a_draft_are_told_what_would_be_refused(tmp_path):
    one = desk(tmp_path)
    rehearsal = ask(one, ms(4, 10), wanted_kw=40.0, mode="dry-run")
    one.ask("cancel", event=rehearsal.event)
    draft = ask(one, ms(4, 10), wanted_kw=40.0, is_draft=True)
    for outcome in (rehearsal, draft):
        told = {remark["code"] for remark in outcome.remarks}
        assert {"dispatch.terms_notice_too_short", "dispatch.terms_under_programme_minimum"} <= told
        for remark in outcome.remarks:
            for language in LANGUAGES:
                assert say_error(remark, language) != remark["code"]
    with pytest.raises(StoreError, match="notice"):
        one.ask("confirm", event=draft.event)


def test_an_event_may_be_bound_to_no_programme(tmp_path):
    one = desk(tmp_path)
    assert ask(one, ms(4, 9), 1.0, what="trigger", programme="-").life == "scheduled"
    assert one.events()[0].programme == ""


def test_rows_of_a_file_count_with_each_other_and_have_bids_of_their_own(tmp_path):
    one = desk(tmp_path)

    def row(name, day, hour, bid=None):
        end_ms = ms(day, hour) + 2 * HOUR
        return EventRequest("schedule", one.clock.ms, "root", "file", "summer", name, ms(day, hour), end_ms,
                            bid=bid, programme="taipower-demand-bidding")  # fmt: skip

    def take(*rows):
        numbers = tuple(range(2, 2 + len(rows)))
        wish = EventListRequest(one.clock.ms, "root", "season.csv", rows, numbers, "wang", KEY)
        return one.desk.carry_out_list(one.engine, "hall", wish)

    with pytest.raises(LedgerRefused) as caught:
        take(row("a", 5, 9), row("b", 5, 14))
    assert [(each.code, each.data["row"]) for each in caught.value.problems] == [
        ("dispatch.terms_too_many_a_day", 3)
    ]
    assert one.events() == []
    outcome = take(row("a", 5, 9, 9.5), row("b", 6, 9, 12.0))
    assert (outcome.added, [each["data"]["row"] for each in outcome.remarks]) == (2, [3])
    assert outcome.remarks[0]["code"] == "dr.finding_bid_above_cap"
    assert take(row("a", 5, 9, 9.5), row("b", 6, 9, 12.0)).added == 0


def test_a_draft_that_is_confirmed_too_late_is_refused_and_stays_one(tmp_path):
    one = desk(tmp_path)
    draft = ask(one, ms(4, 13), is_draft=True)
    one.clock.ms = ms(4, 12)
    with pytest.raises(StoreError) as caught:
        one.ask("confirm", event=draft.event)
    assert caught.value.code == "dispatch.terms_notice_too_short"
    one.clock.ms = ms(4, 14)
    with pytest.raises(StoreError) as caught:
        one.ask("confirm", event=draft.event)
    assert caught.value.code == "dispatch.past"
    assert one.events()[0].life.value == "draft"
    assert one.ask("cancel", event=draft.event).life == "cancelled"
