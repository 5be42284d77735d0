"""Adjustments: what falls into a period, by days, and how uncertain the sum is."""

from dataclasses import replace
from datetime import date
from fractions import Fraction

import pytest

from rules.adjustments import Book, NonRoutineAdjustment, Per, by_day, shares_within, sum_of_shares

EVENT = NonRoutineAdjustment(
    id=1,
    book=Book.NON_ROUTINE,
    commodity="electricity",
    start=date(2017, 8, 19),
    end=date(2017, 8, 30),
    quantity=12_000.0,
    unit="kWh",
    uncertainty=2_400.0,
    per=Per.EVENT,
    reason="Summer Universiade",
    evidence="letter 106-123",
    author="Wang",
)
STAFF = replace(
    EVENT,
    id=2,
    start=date(2017, 3, 1),
    end=None,
    quantity=0.1,
    uncertainty=0.02,
    per=Per.DAY,
    text_en="300 more",
)


def test_an_event_inside_a_period_counts_whole():
    (share,) = shares_within([EVENT], date(2017, 7, 1), date(2017, 12, 31))
    assert (share.quantity, share.uncertainty, share.apportioned, share.days) == (
        Fraction(12_000),
        2_400.0,
        False,
        12,
    )


def test_an_event_that_reaches_out_gives_its_quantity_by_days():
    (share,) = shares_within([EVENT], date(2017, 8, 1), date(2017, 8, 21))
    assert (share.start, share.end) == (date(2017, 8, 19), date(2017, 8, 21))
    assert (share.quantity, share.uncertainty, share.apportioned) == (Fraction(3_000), 600.0, True)


def test_what_goes_on_counts_for_each_day_to_the_end():
    (share,) = shares_within([STAFF], date(2017, 7, 1), date(2017, 12, 31))
    assert share.quantity == Fraction(184, 10)  # as it was written, not as a float has it
    assert share.uncertainty == pytest.approx(3.68)
    assert not share.apportioned


def test_an_event_without_an_end_is_of_the_days_so_far():
    (share,) = shares_within([replace(EVENT, end=None)], date(2017, 7, 1), date(2017, 8, 30))
    assert share.quantity == 12_000


@pytest.mark.parametrize(("first", "last"), [("2017-08-31", "2017-12-31"), ("2017-01-01", "2017-08-18")])
def test_what_lies_outside_counts_nothing(first, last):
    assert shares_within([EVENT], date.fromisoformat(first), date.fromisoformat(last)) == ()


def test_bands_of_events_add_in_quadrature():
    start, end = date(2017, 8, 19), date(2017, 8, 30)
    other = replace(EVENT, id=3, quantity=-2_000.0, uncertainty=1_000.0)
    quantity, half = sum_of_shares(shares_within([EVENT, other], start, end))
    assert (quantity, half) == (Fraction(10_000), 2_600.0)


def test_nothing_adds_up_to_nothing():
    assert sum_of_shares(()) == (Fraction(0), 0.0)


def test_days_add_up_to_the_shares():
    start, end = date(2017, 8, 20), date(2017, 9, 2)
    shares = shares_within([EVENT, STAFF], start, end)
    days = by_day(shares, start, end)
    assert sum(days) == sum_of_shares(shares)[0]
    assert days[0] == 1000 + Fraction(1, 10)
    assert days[-1] == Fraction(1, 10)
    assert by_day(shares, date(2017, 8, 30), date(2017, 8, 31)) == (1000 + Fraction(1, 10), Fraction(1, 10))


def test_the_report_has_the_sentence_of_its_language_or_the_reason():
    assert STAFF.text("en") == "300 more"
    assert STAFF.text("zh-TW") == "Summer Universiade"
