"""What two readings of a register say, and when they give way to a ledger."""

from dataclasses import dataclass
from datetime import date
from fractions import Fraction

import pytest

from rules.readings import Span, spans_between, split_by_ledger


@dataclass(frozen=True)
class Reading:
    day: date
    reading: float


def readings(*pairs):
    return [Reading(date.fromisoformat(day), reading) for day, reading in pairs]


def days(start, end):
    return date.fromisoformat(start), date.fromisoformat(end)


def test_the_use_lies_between_a_reading_and_the_next():
    found = spans_between(readings(("2017-07-01", 12345.6), ("2017-08-01", 12400.1), ("2017-08-02", 12400.1)))
    assert found == (
        Span(0, date(2017, 7, 1), date(2017, 7, 31), Fraction("54.5")),
        Span(1, date(2017, 8, 1), date(2017, 8, 1), Fraction(0)),
    )


@pytest.mark.parametrize("given", [[], readings(("2017-07-01", 5))])
def test_one_reading_says_nothing_yet(given):
    assert spans_between(given) == ()


@pytest.mark.parametrize(
    "second",
    [("2017-07-31", 12.0), ("2017-07-01", 12.0), ("2017-08-01", 9.9)],
    ids=["before", "same", "back"],
)
def test_no_span_of_readings_that_contradict(second):
    with pytest.raises(ValueError, match="cannot be followed"):
        spans_between(readings(("2017-07-31", 10.0), ("2017-08-01", 10.0), second))


SPANS = spans_between(readings(("2017-06-15", 0), ("2017-07-15", 30), ("2017-08-15", 61)))


@pytest.mark.parametrize(
    ("booked", "counting"),
    [
        ([], [0, 1]),
        ([days("2017-05-01", "2017-06-14"), days("2017-08-15", "2017-09-14")], [0, 1]),
        ([days("2017-06-01", "2017-06-15")], [1]),
        ([days("2017-07-14", "2017-07-14")], [1]),
        ([days("2017-07-15", "2017-07-15")], [0]),
        ([days("2017-08-14", "2017-08-31")], [0]),
        ([days("2017-07-14", "2017-07-15")], []),
        ([days("2017-01-01", "2017-12-31")], []),
        ([days("2017-08-20", "2017-08-31"), days("2017-07-20", "2017-07-21")], [0]),
    ],
)
def test_a_span_that_shares_a_day_with_the_ledger_is_left_out_as_a_whole(booked, counting):
    kept, left_out = split_by_ledger(SPANS, booked)
    assert [span.at for span in kept] == counting
    assert [span.at for span in left_out] == [at for at in (0, 1) if at not in counting]
