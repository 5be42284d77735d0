"""Periods, parts and charges of a time-of-use tariff: the worked examples, and what is not known."""

from dataclasses import fields, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from fractions import Fraction
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from rules.intervals import IntervalSeries
from rules.quality import Quality
from rules.tariff.bill import make_bill
from rules.tariff.charges import basic_charge, over_contract, power_factor_share, to_cents
from rules.tariff.parts import CannotBillError, parts_of
from rules.tariff.periods import Clock, DayKind, Period, kind_of
from rules.tariff.terms import BasicRates, Contract, Dated, EnergyPrices, Plan, Supply
from rules.tariff.usage import classify, use_of_parts
from rules.tariff.what_if import Month, best_regular, contract_cost, total_cost
from tests.tariff_world import (
    CLOCK_2023,
    HALF,
    OFF,
    PEAK,
    PRICES,
    RATES,
    RULES,
    SATURDAY,
    TAIPEI,
    intervals,
    listed,
    spans,
    supply,
    tariff,
)

OCTOBER = date(2025, 10, 1), date(2025, 10, 31)


def at(text, zone=TAIPEI):
    return int(datetime.fromisoformat(text).replace(tzinfo=zone).timestamp())


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


# -- charges ----------------------------------------------------------------------------------------------


def test_the_worked_example_of_an_excess():
    (one,) = over_contract(Contract(Decimal(1000)), {PEAK: Decimal(1150)}, RATES["summer"], RULES)
    assert [float(kw) for kw in (one.charged_kw, one.first_kw)] == [150, 100]
    assert one.amount == Fraction(78_260)
    assert f"NT${to_cents(one.amount):,.0f}" == "NT$78,260"


def test_the_worked_example_of_a_power_factor():
    assert to_cents(power_factor_share(Decimal(92), RULES) * 1_000_000) == Decimal("-12000.00")
    assert power_factor_share(Decimal(78), RULES) == Fraction(2, 1000)
    assert power_factor_share(Decimal(99), RULES) == Fraction(-15, 1000)  # no more than at 95 %
    assert power_factor_share(Decimal("91.5"), RULES) == Fraction(-12, 1000)
    assert power_factor_share(Decimal(80), RULES) == 0


def test_the_basic_charge_counts_what_is_beyond_half_of_the_day_capacities():
    contract = Contract(Decimal(1000), Decimal(100), Decimal(400), Decimal(300))
    assert basic_charge(contract, RATES["summer"]) == Fraction("223600") + 16690 + Fraction("44.7") * 150
    assert basic_charge(Contract(Decimal(1000), Decimal(0), Decimal(500)), RATES["summer"]) == 223_600
    alone = BasicRates(Decimal(100), None, None)
    assert basic_charge(Contract(Decimal(10)), alone) == 1000
    assert basic_charge(Contract(Decimal(10), Decimal(1)), alone) is None
    assert basic_charge(Contract(Decimal(10), Decimal(0), Decimal(6)), alone) is None


def test_an_excess_is_charged_once():
    """Peak 1100 over 1000; half-peak 1250 over 1050 is 200, less the 100 of the peak; off-peak 80 is less."""
    contract = Contract(Decimal(1000), Decimal(50))
    demand = {PEAK: Decimal(1100), HALF: Decimal(1250), OFF: Decimal(1130)}
    first, second = over_contract(contract, demand, RATES["summer"], RULES)
    assert (first.period, first.amount) == (PEAK, Fraction("223.6") * 200)
    assert (second.period, float(second.charged_kw), float(second.first_kw)) == (HALF, 100, 100)
    assert second.amount == Fraction("166.9") * 200
    assert over_contract(contract, {PEAK: Decimal(1000)}, RATES["summer"], RULES) == ()


def test_an_excess_without_a_rate_has_no_amount():
    rates = BasicRates(Decimal(100), None, None)
    (one,) = over_contract(Contract(Decimal(10)), {OFF: Decimal(12)}, rates, RULES)
    assert (one.rate, one.amount) == (None, None)


@pytest.mark.parametrize(
    ("amount", "printed"), [("0.005", "0.01"), ("-0.005", "-0.01"), ("1/3", "0.33"), ("78260", "78260.00")]
)
def test_amounts_are_rounded_half_away_from_zero(amount, printed):
    assert str(to_cents(Fraction(amount))) == printed


# -- periods ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("instant", "period"),
    [
        ("2025-10-13T15:45", HALF),
        ("2025-10-13T16:00", PEAK),
        ("2025-10-13T21:45", PEAK),
        ("2025-10-13T22:00", HALF),
        ("2025-10-14T00:00", OFF),
        ("2025-10-10T16:00", OFF),  # National Day
        ("2025-10-11T09:00", SATURDAY),
        ("2025-10-12T12:00", OFF),  # a Sunday
        ("2025-10-15T16:00", PEAK),  # the last day of summer
        ("2025-10-16T16:00", HALF),
        ("2025-10-16T11:00", OFF),
        ("2025-10-25T09:00", OFF),  # a listed Saturday
    ],
)
def test_october_2025(instant, period):
    one = supply(days=listed(date(2025, 10, 10), date(2025, 10, 25)))
    found = classify(parts_of(one, *OCTOBER), np.array([at(instant)]), TAIPEI)
    assert Period(int(found.period[0])) is period


def test_two_periods_cannot_hold_a_minute():
    with pytest.raises(ValueError, match="two periods"):
        Clock.of_hours(
            ((6, 1), (9, 30)),
            {("summer", DayKind.WEEKDAY): spans(PEAK, "10-12") + spans(HALF, "11:59-13")},
        )


def test_kinds_of_days():
    assert kind_of(date(2025, 10, 11), False) is DayKind.SATURDAY
    assert kind_of(date(2025, 10, 11), True) is DayKind.OFF_PEAK_DAY
    assert kind_of(date(2025, 10, 12), False) is DayKind.OFF_PEAK_DAY
    assert kind_of(date(2025, 10, 13), False) is DayKind.WEEKDAY


def test_instants_outside_of_the_parts_are_in_none():
    parts = parts_of(supply(), *OCTOBER)
    at_s = np.array([at("2025-09-30T23:45"), at("2025-10-01T00:00"), at("2025-11-01T00:00")])
    assert classify(parts, at_s, TAIPEI).part.tolist() == [-1, 0, -1]
    assert classify(parts, at_s[:0], TAIPEI).part.tolist() == []


@pytest.mark.parametrize(("zone", "day", "offset"), [
    ("Asia/Taipei", date(1895, 6, 3), "+08:06"),
    ("Africa/Monrovia", date(1960, 6, 3), "-00:44:30"),
])  # fmt: skip
def test_an_offset_that_no_quarter_of_an_hour_fits_is_refused(zone, day, offset):
    parts = parts_of(supply(days=listed(years=(day.year,)), since=day, one=old(day)), day, day)
    with pytest.raises(CannotBillError) as caught:
        classify(parts, np.array([at(f"{day}T12:00", ZoneInfo(zone))]), ZoneInfo(zone))
    assert [(n.code, n.data) for n in caught.value.notes] == [
        ("odd_offset", {"zone": zone, "offset": offset})
    ]


def old(since):
    return tariff(clocks=(Dated(since, None, CLOCK_2023),))


# -- parts ------------------------------------------------------------------------------------------------


def test_a_month_is_cut_where_the_season_ends():
    first, second = parts_of(supply(), *OCTOBER)
    assert (first.season, first.days, first.last) == ("summer", 15, date(2025, 10, 15))
    assert (second.season, second.days, second.last) == ("other", 16, date(2025, 10, 31))


def test_a_change_of_tariff_and_contract_splits_by_days():
    old_, new = Plan(tariff(), listed()), Plan(tariff(id="new"), listed())
    plans = (
        Dated(date(2025, 1, 1), date(2025, 11, 9), old_),
        Dated(date(2025, 11, 10), None, new),
    )
    contracts = (
        Dated(date(2025, 1, 1), date(2025, 11, 19), Contract(Decimal(1000))),
        Dated(date(2025, 11, 20), None, Contract(Decimal(900))),
    )
    parts = parts_of(Supply(plans, contracts), date(2025, 11, 1), date(2025, 11, 30))
    assert [(part.plan.value.tariff.id, part.days) for part in parts] == [("t", 9), ("new", 10), ("new", 11)]


def test_days_whose_periods_nobody_knows_are_named_with_what_is_missing():
    one = supply(since=date(2025, 10, 3), one=tariff(clocks=(Dated(date(2025, 10, 5), None, CLOCK_2023),)))
    with pytest.raises(CannotBillError) as caught:
        parts_of(one, date(2025, 10, 1), date(2026, 1, 2))
    told = [(note.code, note.data["first"], note.data["last"]) for note in caught.value.notes]
    assert told == [
        ("no_tariff", "2025-10-01", "2025-10-02"),
        ("no_clock", "2025-10-03", "2025-10-04"),
        ("no_list", "2026-01-01", "2026-01-02"),
    ]
    assert caught.value.notes[2].data["year"] == 2026


# -- bills ------------------------------------------------------------------------------------------------


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


# -- what if ----------------------------------------------------------------------------------------------


def month(kw, one, first=date(2025, 11, 1), last=date(2025, 11, 30)):
    uses = use_of_parts(parts_of(one, first, last), intervals(first, last, kw / 4), TAIPEI, 900)
    return Month("2025-11", uses, 30)


def test_the_best_contract_of_one_flat_month_is_its_demand():
    one = supply()
    months = [month(800, one)]
    best = best_regular(months, Contract(Decimal(1000)), one)
    assert (best.whole_kw, best.exact_kw) == (800, Decimal(800))
    assert total_cost(months, Contract(Decimal(800)), one) == Fraction("166.9") * 800
    assert contract_cost(months[0], Contract(Decimal(790)), None) == Fraction("166.9") * (790 + 20)


def test_a_month_that_is_rarely_high_is_better_paid_for_than_promised():
    """Eleven months of 800 and one of 900: the excess of one month at three times is cheaper than twelve."""
    one = supply()
    months = [month(800, one)] * 11 + [month(900, one)]
    best = best_regular(months, Contract(Decimal(1000)), one)
    assert best.whole_kw == 800


def test_a_best_contract_between_whole_kw():
    one = supply()
    best = best_regular([month(800.75, one)], Contract(Decimal(1000)), one)
    assert (best.whole_kw, best.exact_kw) == (801, Decimal("800.75"))


def test_without_months_or_rates_there_is_no_best():
    one = supply(tariff(basic=()))
    assert best_regular([], Contract(Decimal(1000)), one) is None
    assert best_regular([month(800, one)], Contract(Decimal(1000)), one) is None
    assert not month(800, one).is_billable()
    assert month(800, supply()).is_billable()
    alone = {"other": BasicRates(Decimal(90), None, None)}
    two = supply(tariff(basic=(Dated(date(2023, 1, 1), None, alone),)))
    assert contract_cost(month(800, two), Contract(Decimal(700)), None) is None
    assert contract_cost(month(800, two), Contract(Decimal(900), Decimal(1)), None) is None


def test_without_a_first_share_all_of_an_excess_costs_the_most():
    rules = replace(RULES, first_share=Decimal(0))
    one = supply(tariff(rules=(Dated(date(2023, 1, 1), None, rules),)))
    best = best_regular([month(800, one)], Contract(Decimal(1000)), one)
    assert best.whole_kw == 800
    none = supply(tariff(rules=()))
    assert best_regular([month(800, none)], Contract(Decimal(1000)), none) is None


def test_the_power_factor_counts_in_what_a_contract_costs():
    one = supply(power_factor=Decimal(92))
    assert total_cost([month(800, one)], Contract(Decimal(800)), one) == Fraction("131917.76")  # -1.2 %


def test_utc_days_are_no_days_of_the_site():
    found = classify(parts_of(supply(), *OCTOBER), np.array([at("2025-10-01T00:00", UTC)]), TAIPEI)
    assert Period(int(found.period[0])) is OFF  # 08:00 on a summer's Wednesday
