"""Bills line by line, and what is told of what a bill does not know."""

from dataclasses import fields, replace
from datetime import date
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

from rules.intervals import IntervalSeries
from rules.quality import Quality
from rules.tariff.bill import make_bill
from rules.tariff.charges import to_cents
from rules.tariff.parts import parts_of
from rules.tariff.periods import Clock, DayKind
from rules.tariff.terms import BasicRates, Contract, Dated, EnergyPrices
from rules.tariff.usage import use_of_parts
from tests.tariff_world import (
    CLOCK_2023,
    HALF,
    OCTOBER,
    OFF,
    PEAK,
    PRICES,
    SATURDAY,
    TAIPEI,
    at,
    intervals,
    listed,
    spans,
    supply,
    tariff,
)


def changed(series, at_s, **values):
    """The intervals with one of them changed; ``without`` leaves it out."""
    row = int(np.flatnonzero(series.start.astype(np.int64) == at_s)[0])
    if values.pop("without", False):
        return IntervalSeries(*(np.delete(getattr(series, f.name), row) for f in fields(series)))
    for name, value in values.items():
        getattr(series, name)[row] = value
    return series


def bill_of(series, one=None, first=OCTOBER[0], last=OCTOBER[1], days=31):
    one = one or supply()
    return make_bill(one, use_of_parts(parts_of(one, first, last), series, TAIPEI, 900), days)


def codes(bill):
    return [note.code for note in bill.notes]


def test_a_bill_line_by_line():
    """Every interval 100 kWh: 400 kW all the time; in November there is one part."""
    series = intervals(date(2025, 11, 1), date(2025, 11, 30), 100.0)
    one = supply(contract=Contract(Decimal(390)), power_factor=Decimal(92))
    bill = bill_of(series, one, date(2025, 11, 1), date(2025, 11, 30), 30)
    told = {(line.kind, line.period): line for line in bill.lines}
    assert told["basic", None].amount == Decimal("65091.00")  # 390 * 166.9
    # 20 weekdays of 15 h, 5 Saturdays of 15 h, the rest: 720 h - 375 h
    assert told["energy", HALF].quantity == 120_000
    assert told["energy", HALF].amount == Decimal("656400.00")
    assert told["energy", SATURDAY].amount == Decimal("72300.00")  # 30,000 kWh
    assert told["energy", OFF].amount == Decimal("320160.00")  # 138,000 kWh
    assert told["over_contract", HALF].amount == Decimal("3338.00")  # 10 kW twice
    base = Decimal("65091.00") + Decimal("656400.00") + Decimal("72300.00") + Decimal("320160.00") + 3338
    assert told["power_factor", None].amount == (base * Decimal("-0.012")).quantize(Decimal("0.01"))
    assert bill.total == bill.known == sum(line.amount for line in bill.lines)
    assert bill.energy == 288_000 * 10**6
    assert (bill.coverage, codes(bill)) == (1.0, [])


def test_parts_of_a_month_count_by_days():
    bill = bill_of(intervals(*OCTOBER))
    basic = [line.amount for line in bill.lines if line.kind == "basic"]
    assert basic == [to_cents(Fraction("223600") * 15 / 31), to_cents(Fraction("166900") * 16 / 31)]
    assert codes(bill) == ["in_parts", "no_power_factor"]


def test_a_peak_knows_its_window_and_the_first_of_two_counts():
    series = intervals(*OCTOBER)
    for instant in ("2025-10-13T17:00", "2025-10-14T17:00"):
        changed(series, at(instant), quantity=300.0)
    peak = bill_of(series).uses[0].peaks[PEAK]
    assert (peak.kw, peak.start_s) == (Decimal(1200), at("2025-10-13T17:00"))


@pytest.mark.parametrize(
    "doubt",
    [{"caught_up": True}, {"quality": Quality.ESTIMATED}, {"quality": Quality.SUSPECT}, {"coverage": 0.5}],
)
def test_what_is_not_measured_whole_is_energy_and_never_a_peak(doubt):
    series = changed(intervals(*OCTOBER), at("2025-10-13T17:00"), quantity=300.0, **doubt)
    bill = bill_of(series)
    use = bill.uses[0]
    assert use.peaks[PEAK].kw == 4
    assert use.doubted[PEAK].kw == 1200
    (note,) = [note for note in bill.notes if note.code == "doubted_peak"]
    assert note.data == {
        "period": "peak",
        "kw": Decimal(1200),
        "at_s": at("2025-10-13T17:00"),
        "peak_kw": Decimal(4),
    }
    assert bill.energy == (31 * 96 - 1 + 300) * 10**6
    assert ("estimated" in codes(bill)) is ("coverage" not in doubt)


def test_nothing_is_summed_over_what_is_missing_without_saying_so():
    series = changed(intervals(*OCTOBER), at("2025-10-13T17:00"), without=True)
    changed(series, at("2025-10-14T17:00"), quality=Quality.MISSING, quantity=500.0)
    changed(series, at("2025-10-15T17:00"), quantity=np.nan)
    bill = bill_of(series)
    (note,) = [note for note in bill.notes if note.code == "missing"]
    assert note.data["hours"] == pytest.approx(0.75)
    assert bill.energy == (31 * 96 - 3) * 10**6
    assert bill.coverage == pytest.approx(1 - 3 / (31 * 96))


def test_a_period_without_a_window_that_counts_is_told():
    series = intervals(*OCTOBER)
    series.caught_up[:] = True
    first, *others = [note for note in bill_of(series).notes if note.code == "doubted_peak"]
    assert (first.data["peak_kw"], len(others)) == (None, 6)
    hours = intervals(*OCTOBER, interval_s=3600)
    silent = [note.data["periods"] for note in bill_of(hours).notes if note.code == "no_peak"]
    assert silent == [
        ("peak", "half_peak", "saturday_half_peak", "off_peak"),
        ("half_peak", "saturday_half_peak", "off_peak"),
    ]


def test_an_interval_that_lies_in_two_periods_is_told():
    clock = Clock.of_hours(((5, 16), (10, 15)), {("other", DayKind.WEEKDAY): spans(HALF, "7:30-22:30")})
    one = supply(tariff(clocks=(Dated(date(2023, 1, 1), None, clock),)))
    first, last = date(2025, 11, 3), date(2025, 11, 3)
    bill = bill_of(intervals(first, last, interval_s=3600), one, first, last, 30)
    (note,) = [note for note in bill.notes if note.code == "straddling"]
    assert note.data == {"count": 2}
    assert bill.uses[0].energy == {HALF: 15 * 10**6, OFF: 9 * 10**6}


def test_a_missing_price_is_named_and_there_is_no_total():
    prices = EnergyPrices({"other": {HALF: Decimal(5)}})
    one = supply(tariff(energy=(Dated(date(2023, 1, 1), None, prices),)))
    bill = bill_of(intervals(date(2025, 11, 1), date(2025, 11, 30)), one, date(2025, 11, 1),
                   date(2025, 11, 30), 30)  # fmt: skip
    assert bill.total is None
    assert bill.known > 0
    (note,) = [note for note in bill.notes if note.code == "no_price"]
    assert note.data["periods"] == ("saturday_half_peak", "off_peak")


def test_nothing_used_needs_no_price():
    one = supply(tariff(energy=()))
    bill = bill_of(intervals(date(2025, 11, 1), date(2025, 11, 30), 0.0), one, date(2025, 11, 1),
                   date(2025, 11, 30), 30)  # fmt: skip
    assert bill.total == Decimal("166900.00")


@pytest.mark.parametrize(
    ("changes", "code"),
    [({"basic": ()}, "no_basic"), ({"rules": ()}, "no_rules"), ({"energy": ()}, "no_price")],
)
def test_what_a_tariff_does_not_say_is_told(changes, code):
    bill = bill_of(intervals(*OCTOBER, 300.0), replace_power_factor(supply(tariff(**changes))))
    assert codes(bill).count(code) == 2
    assert bill.total is None or code == "no_rules"
    if code == "no_rules":
        assert not [line for line in bill.lines if line.kind == "over_contract"]


def replace_power_factor(one):
    return replace(one, power_factor_percent=Decimal(90))


def test_without_a_contract_there_is_no_basic_charge():
    one = replace(supply(), contracts=())
    bill = bill_of(intervals(*OCTOBER), one)
    assert codes(bill).count("no_contract") == 2
    assert bill.total is None


def test_an_excess_without_a_rate_is_told():
    alone = {"summer": BasicRates(Decimal(100), None, None), "other": BasicRates(Decimal(90), None, None)}
    one = supply(tariff(basic=(Dated(date(2023, 1, 1), None, alone),)), Contract(Decimal(3)))
    bill = bill_of(intervals(*OCTOBER), replace_power_factor(one))
    notes = [note.data["periods"] for note in bill.notes if note.code == "no_excess_rate"]
    assert notes == [("half_peak",)]  # in summer the peak is charged first, and the others are no higher
    assert bill.total is None


def test_what_is_background_knowledge_is_shown_as_unverified_once():
    since = date(2023, 1, 1)
    one = tariff(clocks=(Dated(since, None, CLOCK_2023, "B", "heard"),),
                 energy=(Dated(since, None, PRICES, "B", "heard"),))  # fmt: skip
    bill = bill_of(intervals(*OCTOBER), supply(one, days=listed(grade="B")))
    assert [code for code in codes(bill) if code.startswith("unverified")] == [
        "unverified_clock",
        "unverified_energy",
        "unverified_list",
    ]
