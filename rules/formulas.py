"""Virtual meters: sums over other meters, parsed once into coefficients, worked out over whole series.

A formula is linear: meters are added, subtracted, and multiplied or divided by numbers. A minus needs a
space before it, because ids may hold one: ``a-b`` is the meter a-b, ``a - b`` a difference.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import reduce
from graphlib import CycleError, TopologicalSorter
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rules.intervals import IntervalSeries
from rules.quality import Quality

LONGEST_TEXT = 1000
DEEPEST = 40
LEAST, MOST = Fraction(1, 10**9), Fraction(10**9)
"""A coefficient outside of these is a slip of the pen."""

SETTLED = 1e-12
"""Below this a coefficient of a register is what rounding left of a meter that cancels out."""

_WORD = re.compile(r"[A-Za-z0-9_.][A-Za-z0-9_.-]*")
_NUMBER = re.compile(r"\d+\.?\d*|\.\d+", re.ASCII)
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")
_PLAIN = {"×": "*", "∗": "*", "·": "*", "÷": "/", "∕": "/"} | dict.fromkeys("−–—－﹣", "-")  # noqa: RUF001
_PLAIN |= {"＋": "+", "＊": "*", "／": "/", "（": "(", "）": ")", "．": ".", "\u3000": " "}  # noqa: RUF001


class FormulaError(ValueError):
    """A formula that cannot be used.

    ``code`` names the text in the word catalogue and ``data`` fills it; ``at`` is the first sign of the
    formula that is meant, from 0, and ``length`` how many are.
    """

    def __init__(self, code: str, at: int, length: int = 1, **data: Any) -> None:
        self.code = code
        self.at = at
        self.length = length
        self.data = data
        super().__init__(f"{code} at {at}: {data}")


@dataclass(frozen=True, slots=True)
class Term:
    """A meter of a formula: what it is multiplied by, and where it is named first."""

    meter: str
    coefficient: float
    at: int


@dataclass(frozen=True, slots=True)
class Formula:
    """A sum over meters, each of them once, in the order of the text."""

    text: str
    terms: tuple[Term, ...]

    @property
    def parts(self) -> tuple[str, ...]:
        """The meters that it is made of."""
        return tuple(term.meter for term in self.terms)


def parse_formula(text: str) -> Formula:
    """Read a formula.

    Raises
    ------
    FormulaError : with the place in the text.

    Examples
    --------
    >>> [(term.meter, term.coefficient) for term in parse_formula("2 * (main_1 - tenant / 4)").terms]
    [('main_1', 2.0), ('tenant', -0.5)]
    """
    if len(text) > LONGEST_TEXT:
        raise FormulaError("config.formula_too_long", LONGEST_TEXT, limit=LONGEST_TEXT)
    return _Parser(text).formula()


class _Token(NamedTuple):
    kind: str  # number, name, sign or end
    text: str
    at: int


class _Sum(NamedTuple):
    """A number alone, or a sum over meters alone; never both. ``at`` and ``end`` are its place."""

    number: Fraction
    meters: dict[str, Fraction]
    at: int
    end: int

    def times(self, factor: Fraction, at: int, end: int) -> "_Sum":
        scaled = {meter: share * factor for meter, share in self.meters.items()}
        return _Sum(self.number * factor, scaled, at, end)


class _Parser:
    """Recursive descent: sum, product, single value."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = _tokens(text)
        self._next = 0
        self._depth = 0
        self._named_at: dict[str, int] = {}

    def formula(self) -> Formula:
        if self._peek().kind == "end":
            raise FormulaError("config.formula_empty", 0, max(1, len(self._text)))
        total = self._sum()
        token = self._peek()
        if token.kind != "end":
            code = "config.formula_bracket" if token.text == ")" else "config.formula_no_operator"
            raise FormulaError(code, token.at, len(token.text), word=token.text)
        if not total.meters:
            raise FormulaError("config.formula_no_meter", total.at, total.end - total.at)
        return Formula(self._text, tuple(self._term(meter, share) for meter, share in total.meters.items()))

    def _term(self, meter: str, share: Fraction) -> Term:
        at = self._named_at[meter]
        if not share:
            raise FormulaError("config.formula_cancels", at, len(meter), meter=meter)
        if not LEAST <= abs(share) <= MOST:
            raise FormulaError("config.formula_extreme", at, len(meter), meter=meter)
        return Term(meter, float(share), at)

    def _sum(self) -> _Sum:
        total = self._product()
        while self._peek().text in ("+", "-"):
            sign = Fraction(-1 if self._take().text == "-" else 1)
            one = self._product()
            total = self._added(total, one.times(sign, one.at, one.end))
        return total

    def _added(self, left: _Sum, right: _Sum) -> _Sum:
        for number, other in ((left, right), (right, left)):
            if number.number and other.meters:
                written = self._text[number.at : number.end]
                raise FormulaError(
                    "config.formula_constant", number.at, number.end - number.at, number=written
                )
        meters = dict(left.meters)
        for meter, share in right.meters.items():
            meters[meter] = meters.get(meter, Fraction(0)) + share
        return _Sum(left.number + right.number, meters, left.at, right.end)

    def _product(self) -> _Sum:
        value = self._single()
        while self._peek().text in ("*", "/"):
            sign = self._take()
            other = self._single()
            value = _divided(value, other) if sign.text == "/" else _multiplied(value, other, sign)
        return value

    def _single(self) -> _Sum:
        token = self._take()
        if token.kind == "number":
            return _Sum(Fraction(token.text), {}, token.at, token.at + len(token.text))
        if token.kind == "name":
            self._named_at.setdefault(token.text, token.at)
            return _Sum(Fraction(0), {token.text: Fraction(1)}, token.at, token.at + len(token.text))
        if token.text in ("+", "-", "("):
            return self._nested(token)
        raise FormulaError("config.formula_no_operand", token.at, max(1, len(token.text)))

    def _nested(self, token: _Token) -> _Sum:
        self._depth += 1
        if self._depth > DEEPEST:
            raise FormulaError("config.formula_too_deep", token.at)
        if token.text == "(":
            inner = self._sum()
            closing = self._take()
            if closing.text != ")":
                code = "config.formula_unclosed" if closing.kind == "end" else "config.formula_no_operator"
                at, length = (token.at, 1) if closing.kind == "end" else (closing.at, len(closing.text))
                raise FormulaError(code, at, length, word=closing.text)
            value = inner.times(Fraction(1), token.at, closing.at + 1)
        else:
            inner = self._single()
            value = inner.times(Fraction(-1 if token.text == "-" else 1), token.at, inner.end)
        self._depth -= 1
        return value

    def _peek(self) -> _Token:
        return self._tokens[self._next]

    def _take(self) -> _Token:
        token = self._tokens[self._next]
        self._next = min(self._next + 1, len(self._tokens) - 1)
        return token


def _multiplied(left: _Sum, right: _Sum, sign: _Token) -> _Sum:
    if left.meters and right.meters:
        raise FormulaError("config.formula_product", sign.at)
    number, other = (left, right) if right.meters else (right, left)
    return other.times(number.number, left.at, right.end)


def _divided(left: _Sum, right: _Sum) -> _Sum:
    if right.meters:
        raise FormulaError("config.formula_divisor", right.at, right.end - right.at)
    if not right.number:
        raise FormulaError("config.formula_by_zero", right.at, right.end - right.at)
    return left.times(1 / right.number, left.at, right.end)


def _tokens(text: str) -> list[_Token]:
    tokens, at = [], 0
    while at < len(text):
        word = _WORD.match(text, at)
        if word is not None:
            tokens.append(_word(word[0], at))
            at = word.end()
            continue
        if text[at] in "+-*/()":
            tokens.append(_Token("sign", text[at], at))
        elif text[at] in _PLAIN:
            raise FormulaError("config.formula_wide_sign", at, sign=text[at], plain=_PLAIN[text[at]])
        elif not text[at].isspace():
            raise FormulaError("config.formula_sign", at, sign=text[at])
        at += 1
    return [*tokens, _Token("end", "", len(text))]


def _word(word: str, at: int) -> _Token:
    if _NUMBER.fullmatch(word):
        return _Token("number", word, at)
    if _NAME.fullmatch(word):
        return _Token("name", word, at)
    raise FormulaError("config.formula_word", at, len(word), word=word)


# -- formulas over formulas ---------------------------------------------------------------------------


def parts_first(formulas: Mapping[str, Formula]) -> tuple[str, ...]:
    """The virtual meters, each after those that it is made of. ``circle`` must have found none."""
    return tuple(meter for meter in _sorter(formulas).static_order() if meter in formulas)


def circle(formulas: Mapping[str, Formula]) -> tuple[str, ...]:
    """Virtual meters each of which needs the next, the last one being the first again; or nothing."""
    try:
        _sorter(formulas).prepare()
    except CycleError as error:
        return tuple(reversed(error.args[1]))
    return ()


def _sorter(formulas: Mapping[str, Formula]) -> TopologicalSorter[str]:
    return TopologicalSorter({meter: formula.parts for meter, formula in formulas.items()})


def over_registers(formulas: Mapping[str, Formula], meter: str) -> dict[str, float]:
    """What a meter is, in the end, over meters with a register: their coefficients.

    Parameters
    ----------
    formulas : without a circle.
    meter : a virtual meter, or any other, which is once itself.
    """
    if meter not in formulas:
        return {meter: 1.0}
    total: dict[str, float] = {}
    for term in formulas[meter].terms:
        for part, share in over_registers(formulas, term.meter).items():
            total[part] = total.get(part, 0.0) + term.coefficient * share
    return {part: share for part, share in total.items() if abs(share) > SETTLED}


# -- working out --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Evaluated:
    """A formula over series.

    Attributes
    ----------
    series : where every part has an interval of the same start and duration; nowhere else.
    worst : (n,) position in ``formula.terms`` of the part that is trusted least; -1 where each of
        them is good, whole and measured.
    """

    series: IntervalSeries
    worst: NDArray[np.intp]


def evaluate(formula: Formula, parts: Mapping[str, IntervalSeries]) -> Evaluated:
    """Work out a formula over the closed intervals of its parts.

    The quantity is the sum, negative where the formula says so; the quality is that of the worst part, the
    coverage the least, and one part that was caught up makes the sum caught up: energy, never a peak. The
    maximum of a sum is not the sum of maxima: ``rate_max`` is known for a single part only.

    Parameters
    ----------
    parts : the intervals of each part, ordered by start; each start once.
    """
    found = [parts[term.meter] for term in formula.terms]
    common = reduce(lambda a, b: np.intersect1d(a, b, assume_unique=True), [one.start for one in found])
    at = [np.searchsorted(one.start, common) for one in found]
    duration_s = np.array([one.duration_s[place] for one, place in zip(found, at, strict=True)])
    agree = (duration_s == duration_s[0]).all(axis=0)
    at = [place[agree] for place in at]
    rows = list(zip(found, at, strict=True))

    quantity = np.zeros(int(agree.sum()))
    for term, (one, place) in zip(formula.terms, rows, strict=True):
        quantity = quantity + term.coefficient * one.quantity[place]
    quality = np.array([one.quality[place] for one, place in rows])
    coverage = np.array([one.coverage[place] for one, place in rows])
    caught_up = np.array([one.caught_up[place] for one, place in rows])
    length_s = duration_s[0][agree]
    any_caught_up: NDArray[np.bool_] = np.logical_or.reduce(caught_up, axis=0)
    series = IntervalSeries(
        start=common[agree],
        duration_s=length_s,
        quantity=quantity,
        coverage=coverage.min(axis=0),
        quality=quality.max(axis=0),
        rate_avg=np.where(any_caught_up, np.nan, quantity * 3600 / length_s),
        rate_max=_rate_max(formula, rows, len(quantity)),
        caught_up=any_caught_up,
    )
    doubt = quality + (1.0 - coverage) / 2 + caught_up / 4
    worst = np.where(doubt.max(axis=0) > Quality.GOOD, doubt.argmax(axis=0), -1)
    return Evaluated(series, worst)


def _rate_max(
    formula: Formula, rows: list[tuple[IntervalSeries, NDArray[np.intp]]], count: int
) -> NDArray[np.float64]:
    only = formula.terms[0]
    if len(formula.terms) > 1 or only.coefficient < 0:
        return np.full(count, np.nan)
    series, place = rows[0]
    return np.asarray(only.coefficient * series.rate_max[place], dtype=np.float64)
