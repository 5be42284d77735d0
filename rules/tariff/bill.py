"""A month's bill, line by line, with everything that a reader has to know to trust it or not."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

from rules.tariff.charges import as_decimal, basic_charge, over_contract, power_factor_share, to_cents
from rules.tariff.parts import Note
from rules.tariff.periods import Period
from rules.tariff.terms import Supply
from rules.tariff.usage import PartUse, kwh


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a bill.

    Attributes
    ----------
    kind : ``basic``, ``energy``, ``over_contract`` or ``power_factor``.
    part : place of its part among the bill's parts; None for the whole month.
    quantity : kW or kWh; None where there is none.
    price : for each of them, per month where it is kW; None where it is not known.
    amount : to the hundredth; None where a price is missing.
    data : what else its words need.
    """

    kind: str
    part: int | None
    period: Period | None
    quantity: Decimal | None
    price: Decimal | None
    amount: Decimal | None
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Bill:
    """A month's bill.

    Attributes
    ----------
    month_days : of the whole month; the bill's own days may be fewer.
    known : sum of the lines that have an amount.
    total : None where a line has none.
    """

    month_days: int
    uses: tuple[PartUse, ...]
    lines: tuple[Line, ...]
    notes: tuple[Note, ...]
    known: Decimal
    total: Decimal | None

    @property
    def energy(self) -> int:
        """All energy, millionths of a kWh."""
        return sum(sum(use.energy.values()) for use in self.uses)

    @property
    def coverage(self) -> float:
        """Share of its time that intervals answer for."""
        return sum(use.known_s for use in self.uses) / sum(use.length_s for use in self.uses)


def make_bill(supply: Supply, uses: Sequence[PartUse], month_days: int) -> Bill:
    """Bill the parts of a month.

    A part is billed as if its days were a month of their own, and its basic and over-contract charges
    count by its share of the month's days. Every line is rounded to the hundredth, and the total is the
    sum of the lines.

    Parameters
    ----------
    month_days : days of the whole month.
    """
    lines: list[Line] = []
    for n, use in enumerate(uses):
        lines += [_basic(n, use, month_days), *_energy(n, use), *_excesses(n, use, month_days)]
    factor = _power_factor(supply, uses, lines)
    lines += [factor] if factor is not None else []
    amounts = [line.amount for line in lines if line.amount is not None]
    known = sum(amounts, Decimal("0.00"))
    notes = (*_about_prices(uses, lines), *_about_contract(supply, uses), *data_notes(uses))
    complete = len(amounts) == len(lines)
    return Bill(month_days, tuple(uses), tuple(lines), notes, known, known if complete else None)


def _basic(n: int, use: PartUse, month_days: int) -> Line:
    contract, rates = use.part.contract, use.part.rates
    data: dict[str, Any] = {"days": use.part.days, "of": month_days}
    amount = None
    if contract is not None:
        capacities = map(as_decimal, contract.value.capacities_kw)
        data |= dict(zip(("c1", "c2", "c3", "c4"), capacities, strict=True))
    if rates is not None:
        data |= {"r1": rates.regular, "r2": rates.half_peak, "r34": rates.others}
    if contract is not None and rates is not None:
        amount = basic_charge(contract.value, rates)
    return Line(
        kind="basic",
        part=n,
        period=None,
        quantity=data.get("c1"),
        price=data.get("r1"),
        amount=None if amount is None else to_cents(amount * Fraction(use.part.days, month_days)),
        data=data,
    )


def _energy(n: int, use: PartUse) -> Iterator[Line]:
    for period, millionths in use.energy.items():
        price = None if use.part.energy is None else use.part.energy.value.of(use.part.season, period)
        used = kwh(millionths)
        amount = None if price is None else to_cents(Fraction(used) * Fraction(price))
        if amount is None and not millionths:
            amount = Decimal("0.00")  # nothing costs nothing, whatever the price
        yield Line("energy", n, period, used, price, amount, {})


def _excesses(n: int, use: PartUse, month_days: int) -> Iterator[Line]:
    part = use.part
    if part.contract is None or part.rates is None or part.rules is None:
        return
    demand = {period: peak.kw for period, peak in use.peaks.items()}
    for one in over_contract(part.contract.value, demand, part.rates, part.rules.value):
        amount = None if one.amount is None else to_cents(one.amount * Fraction(part.days, month_days))
        data = {
            "demand_kw": one.demand_kw,
            "allowed_kw": as_decimal(one.allowed_kw),
            "first_kw": as_decimal(one.first_kw),
            "beyond_kw": as_decimal(one.charged_kw - one.first_kw),
            "first_times": part.rules.value.first_times,
            "beyond_times": part.rules.value.beyond_times,
            "days": part.days,
            "of": month_days,
        }
        yield Line("over_contract", n, one.period, as_decimal(one.charged_kw), one.rate, amount, data)


def _power_factor(supply: Supply, uses: Sequence[PartUse], lines: Sequence[Line]) -> Line | None:
    """Of the bill's other lines together; by the rules of its first part."""
    percent, rules = supply.power_factor_percent, uses[0].part.rules
    if percent is None or rules is None:
        return None
    share = power_factor_share(percent, rules.value)
    amounts = [line.amount for line in lines]
    base = sum((one for one in amounts if one is not None), Decimal(0))
    amount = None if None in amounts else to_cents(Fraction(base) * share)
    return Line("power_factor", None, None, None, None, amount, {"percent": percent, "share": share})


# -- what a reader has to know ----------------------------------------------------------------------------


def _days(use: PartUse) -> dict[str, str]:
    return {"first": use.part.first.isoformat(), "last": use.part.last.isoformat()}


def _about_prices(uses: Sequence[PartUse], lines: Sequence[Line]) -> Iterator[Note]:
    for n, use in enumerate(uses):
        part, days = use.part, _days(use)
        tariff = {"tariff": part.plan.value.tariff.id, "season": part.season, **days}
        missing = [
            line.period.key
            for line in lines
            if line.part == n and line.kind == "energy" and line.period is not None and line.amount is None
        ]
        if missing:
            yield Note("no_price", {**tariff, "periods": tuple(missing)})
        if part.contract is None:
            yield Note("no_contract", days)
        elif part.rates is None or basic_charge(part.contract.value, part.rates) is None:
            yield Note("no_basic", tariff)
        if part.rules is None:
            yield Note("no_rules", tariff)
        without = [line.period.key for line in lines if line.part == n and line.period is not None
                   and line.kind == "over_contract" and line.amount is None]  # fmt: skip
        if without:
            yield Note("no_excess_rate", {**tariff, "periods": tuple(without)})
    yield from unverified_notes(uses)


def unverified_notes(uses: Sequence[PartUse]) -> Iterator[Note]:
    """What is background knowledge alone, each said once."""
    seen: set[tuple[str, str]] = set()
    for use in uses:
        part = use.part
        tariff, days = part.plan.value.tariff.id, part.plan.value.days
        for kind, entry in (("clock", part.clock), ("energy", part.energy), ("basic", part.basic),
                            ("rules", part.rules)):  # fmt: skip
            if entry is not None and entry.is_unverified and (kind, tariff) not in seen:
                seen.add((kind, tariff))
                yield Note(f"unverified_{kind}", {"tariff": tariff, "source": entry.source})
        for year in days.unverified([part.first.year]):
            if ("list", f"{days.name} {year}") not in seen:
                seen.add(("list", f"{days.name} {year}"))
                data = {"calendar": days.name, "year": year, "source": days.of(year).source}
                yield Note("unverified_list", data)


def _about_contract(supply: Supply, uses: Sequence[PartUse]) -> Iterator[Note]:
    if len(uses) > 1:
        yield Note("in_parts", {"count": len(uses)})
    if supply.power_factor_percent is None:
        yield Note("no_power_factor", {})


def data_notes(uses: Sequence[PartUse]) -> Iterator[Note]:
    """What makes energy or demand less than sure."""
    missing_s = sum(use.length_s - use.known_s for use in uses)
    if missing_s > 0:
        yield Note("missing", {"hours": missing_s / 3600, "share": missing_s / sum(u.length_s for u in uses)})
    if count := sum(use.estimated_windows for use in uses):
        yield Note("estimated", {"count": count, "kwh": kwh(sum(use.estimated for use in uses))})
    if count := sum(use.straddling for use in uses):
        yield Note("straddling", {"count": count})
    for use in uses:
        for period, one in use.doubted.items():
            peak = use.peaks.get(period)
            data = {"period": period.key, "kw": one.kw, "at_s": one.start_s}
            data |= {"peak_kw": peak.kw if peak else None}
            yield Note("doubted_peak", data)
        silent = [one.key for one in use.energy if one not in use.peaks and one not in use.doubted]
        if silent and use.known_s:
            yield Note("no_peak", {"periods": tuple(silent), **_days(use)})
