"""Settlements beyond the worked examples: what the text allows, what is missing, and months."""

from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from config.programme_texts import load_programme
from rules.settlement.money import dollars
from rules.settlement.programme import BidCredit
from rules.settlement.settle import Delivered, settle_event, settle_month
from rules.settlement.terms import Called, Terms, bid_findings, event_findings
from tests.baseline_world import TAIPEI

HERE = Path()
BIDDING = load_programme("taipower-demand-bidding-2016", HERE)
BIDDING_2017 = load_programme("taipower-demand-bidding-2017", HERE)
LATER = load_programme("taipower-demand-bidding-later", HERE)
DAY_AHEAD = load_programme("taipower-day-ahead-2025", HERE)
GUARANTEED = load_programme("taipower-guaranteed-2025", HERE)
DELIVERED = Delivered(Decimal(1000), Decimal(900), Decimal(2))


def codes(findings):
    return [(one.code, one.refuses) for one in findings]


def called(hour=13, hours=2, day=date(2016, 7, 5), notice=None):
    start = datetime(day.year, day.month, day.day, hour, tzinfo=TAIPEI)
    return Called(start, start + timedelta(hours=hours), notice)


class TestBid:
    def test_a_price_above_the_cap_is_a_remark_and_is_settled(self):
        settled = settle_event(BIDDING, Terms(bid=Decimal("10.22")), DELIVERED)
        assert codes(settled.findings) == [("bid_above_cap", False)]
        assert settled.amount == Decimal("2044.00")

    def test_a_bid_has_two_decimals(self):
        settled = settle_event(BIDDING, Terms(bid=Decimal("9.995")), DELIVERED)
        assert codes(settled.findings) == [("bid_decimals", True)]
        assert settled.amount is None
        assert settled.kwh == 200  # what was curtailed is known all the same

    def test_what_is_to_be_corrected_is_not_called_settled_as_it_is(self):
        settled = settle_event(BIDDING, Terms(bid=Decimal("10.225")), DELIVERED)
        assert codes(settled.findings) == [("bid_decimals", True)]

    def test_zeros_behind_the_decimals_are_none(self):
        assert codes(bid_findings(BIDDING, Terms(bid=Decimal("9.50000")))) == []
        assert codes(bid_findings(BIDDING, Terms(bid=Decimal(10)))) == []

    def test_no_bid_no_credit(self):
        settled = settle_event(BIDDING, Terms(), DELIVERED)
        assert (codes(settled.findings), settled.amount) == ([("no_bid", True)], None)

    def test_a_text_without_a_cap_has_nothing_to_remark(self):
        open_ended = replace(BIDDING, credit=BidCredit(cap=None))
        assert bid_findings(open_ended, Terms(bid=Decimal(50))) == ()

    def test_less_than_the_programme_contracts(self):
        for terms in (
            Terms(committed_kw=Decimal(49)),
            Terms(minimum_kw=Decimal(20), committed_kw=Decimal(80)),
        ):
            found = bid_findings(BIDDING, replace(terms, bid=Decimal(8)))
            assert codes(found) == [("under_programme_minimum", False)]

    def test_ones_own_contracted_minimum_goes_before_the_programmes(self):
        settled = settle_event(BIDDING, Terms(bid=Decimal(10), minimum_kw=Decimal(120)), DELIVERED)
        assert settled.counted_kw == settled.amount == 0

    def test_more_drawn_than_the_baseline_earns_nothing(self):
        settled = settle_event(
            LATER, Terms(Decimal(100), Decimal(8)), Delivered(Decimal(900), Decimal(1000), Decimal(2))
        )
        assert settled.measured_kw == settled.percent == settled.amount == 0

    def test_a_ratio_needs_a_commitment(self):
        settled = settle_event(LATER, Terms(bid=Decimal(8)), DELIVERED)
        assert (settled.amount, settled.percent) == (None, None)
        assert codes(settled.findings) == [("no_commitment", True)]


class TestRate:
    def test_a_length_without_a_rate(self):
        settled = settle_event(DAY_AHEAD, Terms(Decimal(100)), replace(DELIVERED, hours=Decimal(3)))
        assert codes(settled.findings) == [("no_rate", True)]
        assert dict(settled.findings[0].facts) == {"hours": "3", "known": "2, 4, 6"}

    def test_the_length_that_was_called_picks_the_rate_and_what_is_settled_is_paid(self):
        part = replace(DELIVERED, hours=Decimal("1.75"), called_hours=Decimal(2))
        settled, whole = (settle_event(DAY_AHEAD, Terms(Decimal(100)), one) for one in (part, DELIVERED))
        assert whole.amount is not None
        assert settled.amount == (whole.amount * Decimal("1.75") / 2).quantize(Decimal("0.01"))

    def test_a_commitment_is_needed(self):
        assert settle_event(DAY_AHEAD, Terms(), DELIVERED).amount is None

    def test_a_rate_above_the_limit_counts_as_the_limit(self):
        settled = settle_event(DAY_AHEAD, Terms(Decimal(50)), DELIVERED)
        assert settled.percent == Decimal("200.0")
        assert settled.amount == (50 * Decimal("1.2") * 2 * Decimal("2.47") * Decimal("1.2")).quantize(
            Decimal("0.01")
        )
        assert "execution_limited" in [line.code for line in settled.lines]


class TestCapacity:
    def test_a_commitment_is_needed_for_the_event_and_the_month(self):
        event = settle_event(GUARANTEED, Terms(), DELIVERED)
        assert event.amount is None
        month = settle_month(GUARANTEED, Terms(), [event])
        assert month.total is None
        assert codes(month.findings) == [("no_commitment", True), ("event_unsettled", True)]

    def test_the_contracted_notice_is_needed_and_has_a_rate(self):
        assert codes(settle_month(GUARANTEED, Terms(Decimal(1000)), []).findings) == [
            ("no_notice_contracted", True)
        ]
        found = settle_month(GUARANTEED, Terms(Decimal(1000), notice_min=45), []).findings
        assert codes(found) == [("no_capacity_rate", True)]
        assert dict(found[0].facts)["known"] == "30, 60, 120"


class TestMonth:
    def test_credits_are_summed_and_rounded_to_the_dollar_once(self):
        event = settle_event(
            BIDDING, Terms(bid=Decimal("9.99")), replace(DELIVERED, event_kw=Decimal("899.975"))
        )
        assert str(event.amount) == "1998.50"
        month = settle_month(BIDDING, Terms(bid=Decimal("9.99")), [event, event, event])
        assert month.total == 5996  # 5,995.50, not three times 1,999
        assert month.kwh == Decimal("600.15")
        assert month.mean_percent is None

    def test_halves_go_up(self):
        assert dollars(Decimal("0.5")) == 1
        assert dollars(Decimal("-0.5")) == -1

    def test_the_mean_of_the_execution_rates(self):
        terms = Terms(Decimal(1000), notice_min=60)
        events = [
            settle_event(GUARANTEED, terms, Delivered(Decimal(1500), Decimal(drawn), Decimal(2)))
            for drawn in (500, 900, 700)
        ]
        month = settle_month(GUARANTEED, terms, events)
        assert month.mean_percent == Decimal("80.0")
        assert month.total == 24_000 + 0 + 19_200 + 84_000 * Decimal("0.8")


class TestEventsAsTheTextWantsThem:
    def test_everything_in_order(self):
        day_before = datetime(2016, 7, 4, 18, 0, tzinfo=TAIPEI)
        assert event_findings(BIDDING, called(notice=day_before)) == ()
        assert event_findings(BIDDING, called(hours=4)) == ()

    @pytest.mark.parametrize(
        ("programme", "notice", "short"),
        [
            (BIDDING, datetime(2016, 7, 4, 18, 1, tzinfo=TAIPEI), True),
            (BIDDING, datetime(2016, 7, 3, 23, 0, tzinfo=TAIPEI), False),
            (BIDDING, datetime(2016, 7, 5, 10, 0, tzinfo=TAIPEI), True),
            (BIDDING_2017, datetime(2016, 7, 5, 11, 0, tzinfo=TAIPEI), False),
            (BIDDING_2017, datetime(2016, 7, 5, 11, 1, tzinfo=TAIPEI), True),
        ],
    )
    def test_the_notice(self, programme, notice, short):
        programme = replace(programme, first=date(2016, 1, 1))
        found = codes(event_findings(programme, called(notice=notice)))
        assert found == ([("notice_too_short", False)] if short else [])

    def test_length_season_and_number(self):
        assert codes(event_findings(BIDDING, called(hours=3))) == [("length_not_in_text", False)]
        assert codes(event_findings(BIDDING, called(day=date(2016, 4, 30)))) == [("outside_season", False)]
        assert codes(event_findings(BIDDING, called(), [called(9)])) == [("too_many_a_day", False)]

    def test_hours_of_the_month(self):
        others = [called(day=date(2016, 7, day)) for day in range(6, 19)]  # 26 h
        assert event_findings(BIDDING, called(), others) == ()
        found = event_findings(BIDDING, called(), [*others, called(day=date(2016, 7, 20))])
        assert codes(found) == [("too_many_hours", False)]
        assert dict(found[0].facts) == {"hours": "30", "allowed": "28"}
        assert event_findings(BIDDING, called(), [*others, called(day=date(2016, 8, 20))]) == ()

    def test_a_text_that_says_nothing_allows_all(self):
        assert event_findings(GUARANTEED, called(hours=5, day=date(2025, 7, 1))) == ()
        assert event_findings(LATER, called(day=date(1999, 7, 1))) == ()

    def test_a_text_of_other_days(self):
        found = event_findings(GUARANTEED, called())
        assert codes(found) == [("text_of_other_days", False)]

    def test_hours_are_those_that_passed(self):
        assert called().hours == 2
        assert called().on_the_day is False
        assert called(notice=datetime(2016, 7, 5, 8, tzinfo=TAIPEI)).on_the_day is True


def test_a_text_without_a_first_day_holds_on_no_day():
    assert not LATER.holds_on(date(2020, 1, 1))
    assert BIDDING.holds_on(date(2016, 12, 31))
    assert not BIDDING.holds_on(date(2017, 1, 1))
    assert replace(BIDDING, last=None).holds_on(date(2099, 1, 1))


def test_a_table_without_steps_is_one():
    settled = settle_event(replace(LATER, credit=BidCredit(cap=None)), Terms(bid=Decimal(8)), DELIVERED)
    assert settled.amount == 1600
