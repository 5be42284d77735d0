"""Formulas over meters: what they mean, what is refused and where, and how quality is carried."""

from itertools import pairwise

import numpy as np
import pytest

from rules.formulas import (
    Formula,
    FormulaError,
    circle,
    evaluate,
    over_registers,
    parse_formula,
    parts_first,
)
from rules.intervals import IntervalSeries
from rules.quality import Quality


def coefficients(text: str) -> dict[str, float]:
    return {term.meter: term.coefficient for term in parse_formula(text).terms}


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("main", {"main": 1.0}),
        ("main_1 + main_2 - tenant", {"main_1": 1.0, "main_2": 1.0, "tenant": -1.0}),
        ("main - 0.5 * tenant", {"main": 1.0, "tenant": -0.5}),
        ("main - tenant * .5", {"main": 1.0, "tenant": -0.5}),
        ("(a + b) / 4", {"a": 0.25, "b": 0.25}),
        ("2 * (a - (b - c)) * 3", {"a": 6.0, "b": -6.0, "c": 6.0}),
        ("-a + b", {"a": -1.0, "b": 1.0}),
        ("+ a - -b", {"a": 1.0, "b": 1.0}),
        ("(1 + 2) * a", {"a": 3.0}),
        ("a + 0", {"a": 1.0}),
        ("0 + a", {"a": 1.0}),
        ("a + a", {"a": 2.0}),
        ("0.1*a + 0.2*a", {"a": 0.3}),  # exactly: fractions, not floats
        ("a-b", {"a-b": 1.0}),  # an id may hold a minus
        ("a -b", {"a": 1.0, "b": -1.0}),
        ("a - b-c", {"a": 1.0, "b-c": -1.0}),
        ("2nd-floor + 3", None),
        ("2nd-floor * 3.", {"2nd-floor": 3.0}),
        ("  a\t+ b ", {"a": 1.0, "b": 1.0}),
    ],
)
def test_what_a_formula_means(text, meant):
    if meant is None:
        with pytest.raises(FormulaError):
            parse_formula(text)
    else:
        assert coefficients(text) == meant


@pytest.mark.parametrize(
    ("text", "code", "marked"),
    [
        ("", "empty", ""),
        ("   ", "empty", "   "),
        ("a * b", "product", "*"),
        ("(a + b) * (c - d)", "product", "*"),
        ("1 / a", "divisor", "a"),
        ("a / (b + c)", "divisor", "(b + c)"),
        ("a / 0", "by_zero", "0"),
        ("a / (1 - 1)", "by_zero", "(1 - 1)"),
        ("a + 5", "constant", "5"),
        ("5 - a", "constant", "5"),
        ("a + (2 * 3)", "constant", "(2 * 3)"),
        ("1 + 2", "no_meter", "1 + 2"),
        ("a - a + b", "cancels", "a"),
        ("0 * a", "cancels", "a"),
        ("b + 10000000000 * a", "extreme", "a"),
        ("b + a / 10000000000", "extreme", "a"),
        ("a +", "no_operand", ""),
        ("a + * b", "no_operand", "*"),
        ("()", "no_operand", ")"),
        ("a b", "no_operator", "b"),
        ("2 a", "no_operator", "a"),
        ("a (b)", "no_operator", "("),
        ("(a b)", "no_operator", "b"),
        ("(a + b", "unclosed", "("),
        ("a + b)", "bracket", ")"),
        ("a ^ 2", "sign", "^"),
        ("a × 2", "wide_sign", "×"),
        ("a － b", "wide_sign", "－"),
        ("main.energy_import + b", "word", "main.energy_import"),
        ("Main + b", "word", "Main"),
        ("0.5-tenant", "word", "0.5-tenant"),
        ("1..2 * a", "word", "1..2"),
        ("(" * 41 + "a" + ")" * 41, "too_deep", "("),
        ("-" * 41 + "a", "too_deep", "-"),
        ("a + " * 300 + "a", "too_long", None),
    ],
)
def test_what_is_refused_and_where(text, code, marked):
    with pytest.raises(FormulaError) as caught:
        parse_formula(text)
    error = caught.value
    assert error.code == f"config.formula_{code}"
    if marked is not None:
        assert text[error.at : error.at + error.length] == marked


def formulas(**texts: str) -> dict[str, Formula]:
    return {meter: parse_formula(text) for meter, text in texts.items()}


def test_virtual_over_virtual():
    known = formulas(site="mains - tenant", mains="main_1 + main_2", half="0.5 * site")
    order = parts_first(known)
    assert sorted(order) == ["half", "mains", "site"]
    assert order.index("mains") < order.index("site") < order.index("half")
    assert over_registers(known, "half") == {"main_1": 0.5, "main_2": 0.5, "tenant": -0.5}
    assert over_registers(known, "tenant") == {"tenant": 1.0}
    assert circle(known) == ()


def test_a_meter_that_cancels_out_over_another_formula():
    assert over_registers(formulas(both="a + b", rest="both - a"), "rest") == {"b": 1.0}


def test_circles_are_found():
    found = circle(formulas(a="b + x", b="c + y", c="a + z", d="x"))
    assert found[0] == found[-1]
    assert set(found) == {"a", "b", "c"}
    for one, following in pairwise(found):
        assert following == {"a": "b", "b": "c", "c": "a"}[one]
    assert set(circle(formulas(a="a + x"))) == {"a"}


def series(start, quantity, *, quality=None, coverage=None, caught_up=None, duration=None, rate_max=None):
    n = len(start)
    quantity = np.array(quantity, dtype=float)
    return IntervalSeries(
        start=np.array(start, dtype="datetime64[s]"),
        duration_s=np.array(duration or [900] * n, dtype=np.int64),
        quantity=quantity,
        coverage=np.array(coverage or [1.0] * n),
        quality=np.array(quality or [0] * n, dtype=np.uint8),
        rate_avg=quantity * 4,
        rate_max=np.array(rate_max or [np.nan] * n, dtype=float),
        caught_up=np.array(caught_up or [False] * n, dtype=bool),
    )


def test_the_sum_is_where_every_part_is():
    found = evaluate(
        parse_formula("a + b - 0.5 * c"),
        {
            "a": series([0, 900, 1800], [10, 20, 30]),
            "b": series([900, 1800, 2700], [1, 2, 3]),
            "c": series([0, 900, 1800, 2700], [100, 100, 4, 100]),
        },
    ).series
    assert found.start.astype(int).tolist() == [900, 1800]
    assert found.quantity.tolist() == [-29.0, 30.0]
    assert found.rate_avg.tolist() == [-116.0, 120.0]
    assert found.duration_s.tolist() == [900, 900]
    assert np.isnan(found.rate_max).all()
    assert len(evaluate(parse_formula("a"), {"a": series([], [])}).series) == 0


def test_the_worst_part_wins_and_is_named():
    formula = parse_formula("a + b")
    found = evaluate(
        formula,
        {
            "a": series([0, 900, 1800, 2700], [1] * 4, quality=[0, 2, 0, 1], coverage=[1, 1, 1, 0.5]),
            "b": series(
                [0, 900, 1800, 2700],
                [1] * 4,
                quality=[0, 1, 0, 1],
                coverage=[1, 0.2, 0.9, 0.25],
                caught_up=[False, True, False, False],
            ),
        },
    )
    assert found.series.quality.tolist() == [0, Quality.SUSPECT, 0, Quality.ESTIMATED]
    assert found.series.coverage.tolist() == [1.0, 0.2, 0.9, 0.25]
    assert found.series.caught_up.tolist() == [False, True, False, False]
    assert np.isnan(found.series.rate_avg).tolist() == [False, True, False, False]
    assert found.worst.tolist() == [-1, 0, 1, 1]
    assert [formula.parts[i] for i in found.worst if i >= 0] == ["a", "b", "b"]


def test_intervals_of_another_length_do_not_fit():
    found = evaluate(
        parse_formula("a + b"),
        {"a": series([0, 900], [1, 1]), "b": series([0, 900], [1, 1], duration=[300, 900])},
    )
    assert found.series.start.astype(int).tolist() == [900]
    assert len(found.worst) == 1


def test_only_a_single_part_has_a_maximum():
    part = {"a": series([0], [5], rate_max=[30])}
    assert evaluate(parse_formula("2 * a"), part).series.rate_max.tolist() == [60.0]
    assert np.isnan(evaluate(parse_formula("-a"), part).series.rate_max).all()
