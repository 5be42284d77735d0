"""The worked examples of customer baselines and credits, to the printed digit."""

from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from config.baseline_presets import load_preset
from config.programme_texts import load_programme, programme_on
from rules.baseline.baseline import baseline, window_kw
from rules.settlement.money import measured
from rules.settlement.settle import Delivered, settle_event, settle_month
from rules.settlement.terms import Terms
from tests.baseline_world import (
    EVENT,
    FIRST,
    HOURS_BEFORE,
    SLOTS,
    TAIPEI,
    around,
    laid_out,
    occasion,
    table_kw,
)

HERE = Path()
BID = Terms(bid=Decimal("10.00"))
MEAN_PROGRAMME = load_programme("taipower-demand-bidding-later", HERE)


def asked(name, kw, **facts):
    load = laid_out(kw)
    method = load_preset(name, HERE).method
    found = baseline(
        load, method, occasion(**facts), around(load, contract_kw=facts.pop("contract_kw", None))
    )
    drawn = window_kw(load, occasion(**facts), method.statistic, TAIPEI)
    return found, drawn


def paid_by_energy(found, drawn, programme="taipower-demand-bidding-2016", terms=BID):
    """Curtailed kW, kWh and credit at the bid, as the table's last columns; the text's ratio is 1."""
    delivered = Delivered(measured(found.kw), measured(drawn), Decimal(2))
    return settle_event(load_programme(programme, HERE), terms, delivered)


@pytest.mark.parametrize(
    ("name", "cbl", "curtailed", "kwh", "credit"),
    [
        ("taipower-demand-bidding-2016", "1050", "150", "300", "3000.00"),
        ("taipower-mean-of-5", "1000", "160", "320", "3200.00"),
        ("caiso-10-of-10", "1061.083", "221.083", "442.166", "4421.66"),
        ("pjm-high-4-of-5", "1056.75", "216.75", "433.5", "4335.00"),
        ("high-5-of-10-additive", "1060.5", "220.5", "441", "4410.00"),
    ],
)
def test_the_table_of_worked_examples(name, cbl, curtailed, kwh, credit):
    found, drawn = asked(name, table_kw())
    assert round(Decimal(found.kw), 3) == Decimal(cbl)
    settled = paid_by_energy(found, drawn)
    assert round(settled.counted_kw, 3) == Decimal(curtailed)
    assert round(settled.kwh, 3) == Decimal(kwh)
    assert str(settled.amount) == credit
    assert settled.findings == ()


@pytest.mark.parametrize(
    ("name", "unadjusted", "amount", "cbl"),
    [
        # The five highest means 1100, 1040, 1030, 1020, 1010; their hours 9 to 11 are
        # 1000, 925, 915, 930, 905: 1040 * 955.5 / 935.
        ("nyiso-high-5-of-10", 1040, 955.5 / 935, 1062.802139),
        # Without 1100 and 960: 8040 / 8; their hours 9 to 12 without 1000 and 870: 7225 / 8.
        ("ercot-middle-8-of-10", 1005, 955.5 / 903.125, 1063.283045),
        # Of 1000, 1020, 980, 1040, 960 the highest four. Hours 8 to 11 begin with 500 on every day:
        # (500 + 2 * 955.5) / 3 - (500 + 2 * 908.75) / 3 = 93.5 / 3.
        ("japan-high-4-of-5", 1010, 93.5 / 3, 1041.166667),
    ],
)
def test_presets_without_a_figure_in_the_reference_by_hand(name, unadjusted, amount, cbl):
    found, drawn = asked(name, table_kw())
    assert found.unadjusted_kw == pytest.approx(unadjusted)
    assert found.adjusted.amount == pytest.approx(amount)
    assert found.kw == pytest.approx(cbl, abs=5e-7)
    assert drawn == pytest.approx(840)


def test_limits_and_dropped_days_of_the_presets_by_hand():
    """NYISO's ratio ends at 1.2, ERCOT's does not; Japan's difference may go down."""
    kw = table_kw()
    kw[-1, HOURS_BEFORE] = 1300.0
    assert asked("nyiso-high-5-of-10", kw)[0].kw == pytest.approx(1040 * 1.2)
    assert asked("ercot-middle-8-of-10", kw)[0].kw == pytest.approx(1005 * 1300 / 903.125)
    kw[-1, HOURS_BEFORE] = 700.0
    assert asked("nyiso-high-5-of-10", kw)[0].kw == pytest.approx(1040 * 0.8)
    assert asked("japan-high-4-of-5", kw)[0].kw == pytest.approx(1010 + 2 * (700 - 908.75) / 3)


def test_curtailment_under_the_contracted_minimum_earns_nothing():
    kw = table_kw()
    kw[-1, 55] = 1005
    found, drawn = asked("taipower-demand-bidding-2016", kw)
    assert (found.kw, drawn) == (1050, 1005)
    settled = paid_by_energy(found, drawn, terms=Terms(bid=Decimal(10), minimum_kw=Decimal(50)))
    assert (settled.measured_kw, settled.counted_kw, settled.kwh) == (45, 0, 0)
    assert settled.amount == 0
    assert dict(next(line.facts for line in settled.lines if line.code == "under_minimum")) == {
        "kw": "45",
        "minimum_kw": "50",
    }


def test_a_ratio_is_clipped_at_a_fifth():
    kw = table_kw()
    kw[-1, HOURS_BEFORE] = 1200
    found, drawn = asked("caiso-10-of-10", kw)
    assert found.kw == pytest.approx(1212, abs=1e-9)
    assert found.adjusted.amount == 1.2
    assert found.adjusted.unlimited == pytest.approx(1200 / 909.5)
    assert [one.code for one in found.findings] == ["adjustment_limited"]
    settled = paid_by_energy(found, drawn)
    assert (settled.counted_kw, settled.kwh, str(settled.amount)) == (372, 744, "7440.00")


def test_the_ratio_of_the_worked_example():
    found, _ = asked("caiso-10-of-10", table_kw())
    assert found.unadjusted_kw == pytest.approx(1010, abs=1e-9)
    assert round(found.adjusted.amount, 6) == 1.050577


def test_hours_of_the_same_day():
    kw = table_kw()
    kw[-1, 9 * 4 : 12 * 4] = np.repeat([940, 960, 980], 4)
    kw[-1, 16 * 4 : 18 * 4] = np.repeat([900, 880], 4)
    found, drawn = asked("pjm-same-day-3-2", kw)
    assert found.kw == pytest.approx(932, abs=1e-9)
    settled = paid_by_energy(found, drawn)
    assert (settled.counted_kw, settled.kwh, str(settled.amount)) == (92, 184, "1840.00")


def day_ahead_kw():
    """Twenty weekdays at 1000 kW, evenings at 600, the event's evening at 630; drawn 870."""
    kw = np.full(((EVENT - FIRST).days + 1, SLOTS), 1000.0)
    kw[:, 22 * 4 :] = 600.0
    kw[-1, 22 * 4 :] = 630.0
    kw[-1, 13 * 4 : 15 * 4] = 870.0
    return kw


def test_day_ahead_of_2025():
    load = laid_out(day_ahead_kw())
    method = load_preset("taipower-day-ahead-2025", HERE).method
    found = baseline(load, method, occasion(), around(load, contract_kw=1200))
    assert (found.unadjusted_kw, found.adjusted.amount, found.kw) == (1000, 30, 1030)
    assert len(found.days) == 20
    delivered = Delivered(measured(found.kw), measured(870), Decimal(2))
    terms = Terms(committed_kw=Decimal(200))
    settled = settle_event(load_programme("taipower-day-ahead-2025", HERE), terms, delivered)
    assert (settled.percent, str(settled.amount)) == (Decimal("80.0"), "790.40")


def test_day_ahead_is_never_above_the_contract_and_needs_one():
    load = laid_out(day_ahead_kw())
    method = load_preset("taipower-day-ahead-2025", HERE).method
    capped = baseline(load, method, occasion(), around(load, contract_kw=1010))
    assert (capped.kw, capped.findings[0].code) == (1010, "contract_cap")
    nobody_said = baseline(load, method, occasion(), around(load))
    assert (nobody_said.kw, nobody_said.findings[0].code) == (None, "no_contract")


def test_a_lower_evening_leaves_day_ahead_alone():
    kw = day_ahead_kw()
    kw[-1, 22 * 4 :] = 500.0
    load = laid_out(kw)
    found = baseline(
        load, load_preset("taipower-day-ahead-2025", HERE).method, occasion(), around(load, contract_kw=2000)
    )
    assert (found.kw, found.adjusted.unlimited, found.adjusted.amount) == (1000, -100, 0)


def test_guaranteed_response_of_2025():
    kw = np.full(((EVENT - FIRST).days + 1, SLOTS), 900.0)
    kw[-1, 10 * 4 : 12 * 4] = 1500.0
    kw[-1, 13 * 4 : 15 * 4] = 500.0
    found, drawn = asked("taipower-guaranteed-2025", kw, notice=12)
    assert (found.kw, drawn) == (1500, 500)
    programme = load_programme("taipower-guaranteed-2025", HERE)
    terms = Terms(committed_kw=Decimal(1000), notice_min=60)
    event = settle_event(programme, terms, Delivered(measured(1500), measured(500), Decimal(2)))
    assert (event.percent, str(event.amount)) == (Decimal("100.0"), "24000.00")
    month = settle_month(programme, terms, [event])
    assert [str(line.amount) for line in month.lines] == ["24000.00", "84000.00", "108000"]
    assert month.total == 108_000


def guaranteed(event_kw, notice_min=60):
    programme = load_programme("taipower-guaranteed-2025", HERE)
    terms = Terms(committed_kw=Decimal(1000), notice_min=notice_min)
    event = settle_event(programme, terms, Delivered(measured(1500), measured(event_kw), Decimal(2)))
    return event, settle_month(programme, terms, [event])


@pytest.mark.parametrize(
    ("event_kw", "percent", "energy", "total"),
    [
        (500, "100.0", "24000.00", 108_000),
        (551, "94.9", "22776.00", 22_776 + 67_200),  # ratio .8
        (701, "79.9", "19176.00", 19_176 + 50_400),  # ratio .6
        (810, "69.0", "0.00", 0),  # neither energy nor penalty, no capacity
        (901, "59.9", "-19248.00", -19_248),  # (1 - .599) * 1000 * 2 * 12 * 2
        (1600, "0.0", "-48000.00", -48_000),  # more was drawn than the baseline
    ],
)
def test_guaranteed_by_execution_rate(event_kw, percent, energy, total):
    event, month = guaranteed(event_kw)
    assert event.percent == Decimal(percent)
    assert (str(event.amount), month.total) == (energy, total)


def test_a_month_without_an_event_has_the_whole_capacity():
    programme = load_programme("taipower-guaranteed-2025", HERE)
    for notice_min, total in ((30, 93_000), (60, 84_000), (120, 78_000)):
        month = settle_month(programme, Terms(committed_kw=Decimal(1000), notice_min=notice_min), [])
        assert month.total == total
        assert month.mean_percent is None


@pytest.mark.parametrize(
    ("drawn", "ratio", "percent"),
    [
        ("880.2", "0", "59.9"),
        ("880.0", "0.8", "60.0"),
        ("840.2", "0.8", "79.9"),
        ("840.0", "1.0", "80.0"),
        ("810.2", "1.0", "94.9"),
        ("810.08", "1.2", "95.0"),  # 94.96 %: one decimal of a PERCENT, so that it is not 0.9
        ("700.0", "1.2", "150.0"),
    ],
)
def test_the_execution_rate_is_rounded_to_a_tenth_of_a_percent(drawn, ratio, percent):
    programme = load_programme("taipower-day-ahead-2025", HERE)
    terms = Terms(committed_kw=Decimal(200))
    settled = settle_event(programme, terms, Delivered(Decimal(1000), Decimal(drawn), Decimal(2)))
    assert settled.percent == Decimal(percent)
    counted = min(settled.percent, Decimal(120)) / 100
    assert settled.amount == (200 * counted * 2 * Decimal("2.47") * Decimal(ratio)).quantize(Decimal("0.01"))


@pytest.mark.parametrize(("hours", "rate"), [(2, "2.47"), (4, "1.84"), (6, "1.69")])
def test_day_ahead_rates_by_hours(hours, rate):
    programme = load_programme("taipower-day-ahead-2025", HERE)
    settled = settle_event(
        programme, Terms(committed_kw=Decimal(100)), Delivered(Decimal(1000), Decimal(900), Decimal(hours))
    )
    assert settled.amount == 100 * hours * Decimal(rate) * Decimal("1.2")


@pytest.mark.parametrize(
    ("drawn", "ratio"),
    [("941", "0"), ("940", "1"), ("921", "1"), ("920", "1.1"), ("880", "1.1"), ("879", "1.2")],
)
def test_later_texts_of_demand_bidding_by_execution_rate(drawn, ratio):
    terms = Terms(committed_kw=Decimal(100), bid=Decimal("8.50"))
    delivered = Delivered(Decimal(1000), Decimal(drawn), Decimal(2))
    settled = settle_event(MEAN_PROGRAMME, terms, delivered)
    kwh = 2 * (1000 - Decimal(drawn))
    assert settled.amount == kwh * Decimal("8.50") * Decimal(ratio)
    same_day = settle_event(MEAN_PROGRAMME, terms, Delivered(Decimal(1000), Decimal(drawn), Decimal(2), True))
    bonus = kwh * Decimal("0.20") if Decimal(ratio) else 0
    assert same_day.amount == settled.amount + bonus


def test_the_text_of_a_family_on_a_day():
    family = "taipower-demand-bidding"
    assert programme_on(family, date(2016, 7, 1), HERE).id == f"{family}-2016"
    assert programme_on(family, date(2017, 7, 1), HERE).id == f"{family}-2017"
    assert programme_on(family, date(2018, 12, 31), HERE).hours_a_month == 36
    assert programme_on("taipower-day-ahead-2025", date(1999, 1, 1), HERE).id == "taipower-day-ahead-2025"


def test_the_days_are_told_with_those_that_fell_out():
    load = laid_out(table_kw())
    holiday = {2025: {date(2025, 7, 11)}}
    found = baseline(
        load,
        load_preset("taipower-mean-of-5", HERE).method,
        occasion(),
        around(load, holiday, events={date(2025, 7, 9)}),
    )
    assert [one.day.day for one in found.days] == [14, 10, 8, 7, 4]
    assert {one.day.day: str(one.reason) for one in found.left_out} == {
        13: "weekend",
        12: "weekend",
        11: "off_peak",
        9: "event",
        6: "weekend",
        5: "weekend",
    }
    assert found.kw == pytest.approx(988)


def test_fewer_days_than_wanted_is_a_finding_and_no_number():
    load = laid_out(table_kw()[-12:], first=EVENT - timedelta(days=11))
    found = baseline(load, load_preset("caiso-10-of-10", HERE).method, occasion(), around(load))
    assert found.kw is None
    assert (found.findings[0].code, dict(found.findings[0].facts)) == (
        "too_few_days",
        {"found": 7, "wanted": 10},
    )
    assert found.left_out[-1].reason == "nothing_known"
    assert len(found.days) == 7
