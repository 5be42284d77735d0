"""What an event of a VTN wants of us, and when: levels, power, intervals, and the delay that it allows."""

import math

import pytest

from rules.openadr import (
    NOTHING,
    Part,
    Rule,
    VtnEvent,
    VtnSignal,
    Want,
    begin_ms,
    fitting,
    most_kw,
    want_at,
)

HOUR_MS = 3_600_000


def signal(*values, name="SIMPLE", kind="level", watts=None):
    parts = tuple(Part(at * HOUR_MS, (at + 1) * HOUR_MS, value) for at, value in enumerate(values))
    return VtnSignal(name, kind, parts, watts)


def event(*signals, context="http://u/dr", resources=(), tolerance_s=0.0):
    return VtnEvent("e", 0, "far", context, 0, HOUR_MS, tolerance_s, frozenset(resources), signals=signals)


SIMPLE, POWER = signal(2.0), signal(-100.0, name="LOAD_DISPATCH", kind="delta", watts=1000.0)


@pytest.mark.parametrize(
    ("told", "rules", "found"),
    [
        (event(SIMPLE), [Rule("a"), Rule("b")], ("a", SIMPLE)),
        (event(POWER, SIMPLE), [Rule("a")], ("a", SIMPLE)),
        (event(POWER), [Rule("a")], None),
        (event(POWER), [Rule("a"), Rule("b", signal="LOAD_DISPATCH")], ("b", POWER)),
        (event(SIMPLE), [Rule("a", market_context="http://u/other")], None),
        (event(SIMPLE), [Rule("a", market_context="http://u/dr")], ("a", SIMPLE)),
        (event(SIMPLE, resources=["roof"]), [Rule("a", resource="hall"), Rule("b")], ("b", SIMPLE)),
        (event(SIMPLE, resources=["hall"]), [Rule("a", resource="hall")], ("a", SIMPLE)),
        (event(SIMPLE), [Rule("a", resource="hall")], ("a", SIMPLE)),
        (event(signal(4.0)), [Rule("a")], None),
        (event(signal(1.5)), [Rule("a")], None),
        (event(signal(math.nan)), [Rule("a")], None),
        (event(signal()), [Rule("a")], None),
        (event(), [Rule("a")], None),
        (event(signal(1.0, name="simple")), [Rule("a")], ("a", signal(1.0, name="simple"))),
        (event(signal(-1.0, name="LOAD_DISPATCH", kind="setpoint", watts=1.0)),
         [Rule("a", signal="LOAD_DISPATCH")], None),
        (event(signal(-1.0, name="LOAD_DISPATCH", kind="delta")), [Rule("a", signal="LOAD_DISPATCH")], None),
    ],
)  # fmt: skip
def test_the_first_rule_that_fits_counts(told, rules, found):
    one = fitting(told, rules)
    assert (None if one is None else (one[0].plan, one[1])) == found


@pytest.mark.parametrize(
    ("levels", "wants"),
    [
        ({}, [NOTHING, Want(True), Want(True), Want(True)]),
        ({1: 40.0, 2: 80.0, 3: None}, [NOTHING, Want(True, 40.0), Want(True, 80.0), Want(True)]),
        ({2: 80.0}, [NOTHING, NOTHING, Want(True, 80.0), Want(True, 80.0)]),
    ],
)
def test_a_level_that_is_not_named_counts_as_the_next_one_below(levels, wants):
    rule, told = Rule("a", levels=levels), signal(0.0, 1.0, 2.0, 3.0)
    assert [want_at(rule, told, at * HOUR_MS) for at in range(4)] == wants
    assert want_at(rule, told, 4 * HOUR_MS) == want_at(rule, told, -1) == NOTHING


def test_power_is_what_is_to_be_drawn_less():
    rule = Rule("a", signal="LOAD_DISPATCH")
    told = signal(-100.0, 50.0, 0.0, -0.5, name="LOAD_DISPATCH", kind="delta", watts=1e3)
    wants = [want_at(rule, told, at * HOUR_MS) for at in range(4)]
    assert wants == [Want(True, 100.0), NOTHING, NOTHING, Want(True, 0.5)]
    megawatts = signal(-0.25, name="LOAD_DISPATCH", kind="delta", watts=1e6)
    assert want_at(rule, megawatts, 0) == Want(True, 250.0)


def test_the_most_that_is_wanted():
    rule = Rule("a", levels={1: 40.0, 2: 80.0, 3: None})
    assert most_kw(rule, signal(0.0, 0.0)) == 0.0
    assert most_kw(rule, signal(2.0, 0.0, 1.0)) == 80.0
    assert most_kw(rule, signal(2.0, 3.0)) is None


def test_the_delay_is_within_what_is_allowed_and_the_same_whoever_asks():
    assert begin_ms(event(SIMPLE), "hall") == 0
    late = event(SIMPLE, tolerance_s=600.0)
    delays = {begin_ms(late, f"ven-{number}") for number in range(50)}
    assert len(delays) > 40
    assert all(0 <= one <= 600_000 for one in delays)
    assert begin_ms(late, "hall") == begin_ms(late, "hall")
