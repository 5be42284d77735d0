"""What holds for every register that a person reads."""

from dataclasses import dataclass
from datetime import date, timedelta
from fractions import Fraction
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from rules.readings import spans_between, split_by_ledger

FIRST = date(2017, 1, 1)


@dataclass(frozen=True)
class Reading:
    day: date
    reading: float


def day(number):
    return FIRST + timedelta(days=number)


@st.composite
def registers(draw, min_size=0):
    """Readings with at most fifteen digits, as a file may hold them."""
    days = sorted(draw(st.sets(st.integers(0, 400), min_size=min_size, max_size=12)))
    scale = draw(st.sampled_from([1, 10, 1000, 10**6, 10**14]))
    figures = sorted(draw(st.lists(st.integers(0, 10**15 - 1), min_size=len(days), max_size=len(days))))
    return [Reading(day(at), figure / scale) for at, figure in zip(days, figures, strict=True)]


@st.composite
def booked_days(draw):
    cuts = sorted(draw(st.sets(st.integers(-20, 420), max_size=10)))
    return [(day(first), day(last - 1)) for first, last in pairwise(cuts) if draw(st.booleans())]


@given(registers(min_size=2))
def test_spans_add_up_to_the_last_reading_less_the_first(readings):
    spans = spans_between(readings)
    written = [Fraction(repr(one.reading)) for one in (readings[0], readings[-1])]
    assert sum(span.quantity for span in spans) == written[1] - written[0]
    assert all(span.quantity >= 0 for span in spans)


@given(registers())
def test_spans_lie_end_to_end_and_hold_every_day_once(readings):
    held = [
        span.start + timedelta(days=at)
        for span in spans_between(readings)
        for at in range((span.end - span.start).days + 1)
    ]
    numbers = [(one.day - FIRST).days for one in readings]
    assert held == [day(at) for at in (range(numbers[0], numbers[-1]) if numbers else ())]


@given(registers(min_size=3), st.data())
def test_a_reading_less_changes_no_sum(readings, data):
    gone = data.draw(st.integers(1, len(readings) - 2))
    fewer = spans_between([*readings[:gone], *readings[gone + 1 :]])
    assert sum(span.quantity for span in fewer) == sum(span.quantity for span in spans_between(readings))


@given(registers(), booked_days())
def test_what_counts_shares_no_day_with_the_ledger_and_all_else_does(readings, booked):
    spans = spans_between(readings)
    counting, left_out = split_by_ledger(spans, booked)
    assert sorted((*counting, *left_out), key=lambda span: span.at) == list(spans)
    for span in spans:
        shares = any(first <= span.end and last >= span.start for first, last in booked)
        assert shares == (span in left_out)
