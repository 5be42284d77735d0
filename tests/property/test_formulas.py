"""Formulas against the arithmetic of plain numbers, and any text at all."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.formulas import FormulaError, evaluate, parse_formula
from rules.intervals import IntervalSeries

METERS = ("a", "b", "c-1", "2nd_floor")
NUMBERS = st.decimals(min_value="0.01", max_value="99", places=2).map(str)


def sums():
    single = st.sampled_from(METERS)
    return st.recursive(
        single,
        lambda inner: st.one_of(
            st.tuples(inner, st.sampled_from(["+", "-"]), inner).map(" ".join),
            st.tuples(NUMBERS, inner).map(lambda both: f"{both[0]} * ({both[1]})"),
            st.tuples(inner, NUMBERS).map(lambda both: f"({both[0]}) / {both[1]}"),
            inner.map(lambda one: f"-({one})"),
        ),
        max_leaves=8,
    )


@given(sums(), st.lists(st.integers(0, 10_000), min_size=4, max_size=4))
def test_the_coefficients_are_the_formula(text, quantities):
    names = {"a": "m0", "b": "m1", "c-1": "m2", "2nd_floor": "m3"}
    try:
        formula = parse_formula(text)
    except FormulaError as error:
        assert error.code in ("config.formula_cancels", "config.formula_extreme")  # noqa: PT017
        return
    plain = text.replace("c-1", "m2").replace("2nd_floor", "m3").replace("a", "m0").replace("b", "m1")
    values = {names[meter]: value for meter, value in zip(METERS, quantities, strict=True)}
    expected = eval(plain, {}, values)  # made above, of four names and numbers
    of = dict(zip(METERS, quantities, strict=True))
    assert sum(term.coefficient * of[term.meter] for term in formula.terms) == pytest.approx(
        expected, rel=1e-9, abs=1e-6
    )


@given(st.text(alphabet=st.one_of(st.sampled_from("ab01.5 +-*/()_×－"), st.characters()), max_size=60))
def test_any_text_is_a_formula_or_is_refused_with_a_place(text):
    try:
        formula = parse_formula(text)
    except FormulaError as error:
        refused = error
    else:
        assert formula.terms
        assert all(text[term.at :].startswith(term.meter) for term in formula.terms)
        assert all(np.isfinite(term.coefficient) and term.coefficient for term in formula.terms)
        return
    assert 0 <= refused.at <= len(text)
    assert refused.length >= 1


@st.composite
def parts(draw):
    starts = sorted(draw(st.sets(st.integers(0, 12), max_size=8)))
    n = len(starts)

    def column(strategy, kind):
        return np.array(draw(st.lists(strategy, min_size=n, max_size=n)), dtype=kind)

    return IntervalSeries(
        start=np.array([900 * s for s in starts], dtype="datetime64[s]"),
        duration_s=column(st.sampled_from([900, 900, 900, 300]), np.int64),
        quantity=column(st.floats(0, 1e6), float),
        coverage=column(st.floats(0, 1), float),
        quality=column(st.integers(0, 3), np.uint8),
        rate_avg=column(st.floats(0, 1e6), float),
        rate_max=column(st.floats(0, 1e6), float),
        caught_up=column(st.booleans(), bool),
    )


@given(parts(), parts())
def test_the_worst_part_wins_row_by_row(a, b):
    found = evaluate(parse_formula("a - 2 * b"), {"a": a, "b": b})
    rows_a = {int(s.astype(int)): i for i, s in enumerate(a.start)}
    rows_b = {int(s.astype(int)): i for i, s in enumerate(b.start)}
    both = [s for s in rows_a if s in rows_b and a.duration_s[rows_a[s]] == b.duration_s[rows_b[s]]]
    assert found.series.start.astype(int).tolist() == sorted(both)
    for n, start in enumerate(sorted(both)):
        i, j = rows_a[start], rows_b[start]
        assert found.series.quantity[n] == a.quantity[i] - 2 * b.quantity[j]
        assert found.series.quality[n] == max(a.quality[i], b.quality[j])
        assert found.series.coverage[n] == min(a.coverage[i], b.coverage[j])
        assert found.series.caught_up[n] == (a.caught_up[i] or b.caught_up[j])
        assert np.isnan(found.series.rate_avg[n]) == found.series.caught_up[n]
        worst = found.worst[n]
        if worst >= 0:
            assert (a.quality[i], b.quality[j])[worst] == found.series.quality[n]
