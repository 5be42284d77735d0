"""Tariffs as files: the product's own, an operator's, and what can be wrong in them and in a site."""

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from config.loading import load_site
from config.problems import ConfigurationError, render_all
from config.tariff_files import TARIFFS, load_tariff, over, tariff_names
from rules.tariff.periods import SEASONS, DayKind, Period
from rules.tariff.terms import Contract, Dated, on
from tests.billed_site import CONTRACT, write_site

OWN = Path()
MINE = """
tariff: mine
extends: taipower-hv-three-stage
energy:
  - from: 2017-01-01
    to: 2017-12-31
    grade: P
    source: our bills of 2017
    summer: {peak: 5.00, half_peak: 3.00, saturday_half_peak: 2.00, off_peak: 1.50}
    other: {half_peak: 2.90, saturday_half_peak: 1.90, off_peak: 1.40}
"""
WHOLE = """
tariff: whole
name: {zh-TW: 全, en: Whole}
calendar: taipower-off-peak
clocks:
  - from: 2024-01-01
    grade: S
    source: here
    summer: {first: 06-01, last: 09-30}
    hours:
      summer: {weekday: {peak: ["10:00-12:00"], half_peak: ["12:00-13:00"]}}
"""


def told_of(tmp_path, text, language="en"):
    (tmp_path / "mine.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationError) as caught:
        load_tariff("mine.yaml", tmp_path)
    return render_all(caught.value.problems, language)


@pytest.mark.parametrize("name", tariff_names())
def test_every_tariff_of_the_product_loads_and_says_where_it_was_read(name):
    tariff = load_tariff(name, OWN)
    assert tariff.id == name == TARIFFS.path(name, Path()).stem
    entries: list[Dated[Any]] = [*tariff.clocks, *tariff.energy, *tariff.basic, *tariff.rules]
    for entry in entries:
        assert entry.source
        assert entry.grade in ("P", "S", "B")
    for clock in tariff.clocks:
        for season in SEASONS:
            assert set(clock.value.periods(season)) >= {Period.SATURDAY_HALF_PEAK, Period.OFF_PEAK}


@pytest.mark.parametrize(
    ("day", "kind", "minutes"),
    [
        (date(2015, 7, 1), DayKind.WEEKDAY, [360, 540, 0, 540]),
        (date(2017, 7, 1), DayKind.WEEKDAY, [360, 540, 0, 540]),
        (date(2017, 7, 1), DayKind.SATURDAY, [0, 0, 900, 540]),
        (date(2017, 11, 1), DayKind.WEEKDAY, [0, 900, 0, 540]),
        (date(2025, 7, 1), DayKind.WEEKDAY, [360, 540, 0, 540]),
        (date(2025, 7, 1), DayKind.SATURDAY, [0, 0, 900, 540]),
        (date(2025, 11, 1), DayKind.WEEKDAY, [0, 900, 0, 540]),
        (date(2025, 11, 1), DayKind.SATURDAY, [0, 0, 900, 540]),
        (date(2025, 11, 1), DayKind.OFF_PEAK_DAY, [0, 0, 0, 1440]),
    ],
)
def test_minutes_of_each_period_in_three_stages(day, kind, minutes):
    """By the reference's table, added by hand: peak, half-peak, Saturday half-peak, off-peak."""
    clock = on(load_tariff("taipower-hv-three-stage", OWN).clocks, day).value
    row = clock.table[SEASONS.index(clock.season(day)), kind]
    assert [int((row == period).sum()) for period in Period] == minutes


def test_two_stages_have_peak_in_place_of_half_peak():
    two, three = load_tariff("taipower-hv-two-stage", OWN), load_tariff("taipower-hv-three-stage", OWN)
    for day in (date(2015, 7, 1), date(2016, 2, 1), date(2025, 7, 1), date(2025, 11, 1)):
        there, here = (on(one.clocks, day).value.table for one in (three, two))
        peak = (there == Period.PEAK) | (there == Period.HALF_PEAK)
        assert ((here == Period.PEAK) == peak).all()
        assert (here[~peak] == there[~peak]).all()


def test_prices_from_october_2025_and_none_before():
    tariff = load_tariff("taipower-hv-three-stage", OWN)
    assert on(tariff.energy, date(2025, 9, 30)) is None
    prices = on(tariff.energy, date(2025, 10, 1)).value
    summer = [prices.of("summer", period) for period in (Period.PEAK, Period.HALF_PEAK, Period.OFF_PEAK)]
    assert summer == [Decimal("9.39"), Decimal("5.85"), Decimal("2.53")]
    other = [prices.of("other", period) for period in (Period.PEAK, Period.HALF_PEAK, Period.OFF_PEAK)]
    assert other == [None, Decimal("5.47"), Decimal("2.32")]
    rates = on(tariff.basic, date(2025, 10, 1)).value
    assert (rates["summer"].regular, rates["summer"].half_peak, rates["summer"].others) == (
        Decimal("223.6"),
        Decimal("166.9"),
        Decimal("44.7"),
    )


def test_what_is_background_knowledge_says_so():
    tariff = load_tariff("taipower-hv-three-stage", OWN)
    assert on(tariff.clocks, date(2017, 5, 1)).is_unverified
    assert not on(tariff.clocks, date(2015, 5, 1)).is_unverified
    assert on(tariff.clocks, date(2020, 5, 1)) is None


def test_an_operator_gives_the_prices_that_nobody_published(tmp_path):
    (tmp_path / "mine.yaml").write_text(MINE, encoding="utf-8")
    tariff = load_tariff("mine.yaml", tmp_path)
    assert (tariff.id, tariff.calendar, tariff.currency) == ("mine", "taipower-off-peak", "NT$")
    assert on(tariff.energy, date(2017, 8, 1)).value.of("summer", Period.PEAK) == 5
    assert on(tariff.energy, date(2025, 10, 1)).value.of("summer", Period.PEAK) == Decimal("9.39")
    assert on(tariff.energy, date(2018, 1, 1)) is None
    assert on(tariff.clocks, date(2017, 8, 1)).is_unverified


def test_an_entry_takes_its_own_days_and_leaves_the_rest():
    def days(entries):
        return [(one.first.year, one.last and one.last.year, one.value) for one in entries]

    def of(first, last, value):
        return Dated(date(first, 1, 1), last and date(last, 12, 31), value)

    lower = [of(2010, 2019, "a"), of(2020, None, "b")]
    assert days(over([of(2015, 2016, "x")], lower)) == [
        (2010, 2014, "a"), (2015, 2016, "x"), (2017, 2019, "a"), (2020, None, "b"),
    ]  # fmt: skip
    assert days(over([of(2018, None, "x")], lower)) == [(2010, 2017, "a"), (2018, None, "x")]
    assert days(over([of(2000, 2009, "x")], lower)) == [(2000, 2009, "x"), *days(lower)]
    assert days(over([of(2022, 2023, "x")], lower))[-3:] == [
        (2020, 2021, "b"), (2022, 2023, "x"), (2024, None, "b"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("to: 2017-12-31", "to: 2016-12-31", "it would end on 2016-12-31, before it begins on 2017-01-01."),
        ("to: 2017-12-31", "to: 31.12.2017", "'31.12.2017' is no day. Write year, month and day"),
        ("taipower-hv-three-stage", "taipower-hv", "there is no tariff 'taipower-hv', did you mean"),
        ("extends: taipower-hv-three-stage", "extends: other.yaml", "there is no tariff 'other.yaml'"),
        ("extends: taipower-hv-three-stage\n", "", "the key 'clocks' is missing"),
        ("peak: 5.00,", "peak: five,", "energy.0.summer.peak: 'five' is not a number."),
        ("peak: 5.00,", "peak: true,", "energy.0.summer.peak: 'true' is not a number."),
        ("peak: 5.00,", "peak: -1,", "energy.0.summer.peak: -1 is too small: it must be at least 0."),
        ("peak: 5.00,", "peak: .inf,", "energy.0.summer.peak: '.inf' is no usable number."),
        ("half_peak: 3.00", "semi_peak: 3.00", "unknown key 'semi_peak'"),
        ("grade: P", "grade: A", "energy.0.grade: 'A' is none of"),
        ("    source: our bills of 2017\n", "", "the key 'source' is missing"),
    ],
)  # fmt: skip
def test_what_is_wrong_in_a_tariff_is_told_with_its_place(tmp_path, old, new, words):
    assert MINE.count(old) == 1
    told = told_of(tmp_path, MINE.replace(old, new))
    assert words in told
    assert told_of(tmp_path, MINE.replace(old, new), "zh-TW") != told


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("12:00-13:00", "11:45-13:00", "11:45-13:00 and 10:00-12:00 (line 11) share minutes"),
        (
            "12:00-13:00",
            "12:00-13:10",
            "'12:00-13:10' are no hours. Write begin and end in quarters of an hour",
        ),
        ("12:00-13:00", "13:00-12:00", "'13:00-12:00' are no hours."),
        ("12:00-13:00", "23:00-24:15", "'23:00-24:15' are no hours."),
        ('["12:00-13:00"]', "[12]", "'12' are no hours."),
        ("last: 09-30", "last: 13-30", "'13-30' is no day of the year. Write month and day"),
        ("last: 09-30", "last: 05-30", "summer would end (05-30) before it begins (06-01)."),
        ("last: 09-30", "lest: 09-30", "did you mean 'last'?"),
        ("from: 2024-01-01", "to: 2024-01-01", "the key 'from' is missing"),
    ],
)
def test_hours_and_seasons_that_cannot_be(tmp_path, old, new, words):
    assert words in told_of(tmp_path, WHOLE.replace(old, new))


def test_entries_that_hold_on_the_same_day_are_told(tmp_path):
    again = MINE + MINE.split("energy:\n")[1].replace("from: 2017-01-01", "from: 2017-06-01")
    assert "on 2017-06-01 the entry of line 5 holds too." in told_of(tmp_path, again)


def test_a_tariff_of_ones_own_needs_nothing_of_the_products(tmp_path):
    (tmp_path / "mine.yaml").write_text(WHOLE, encoding="utf-8")
    tariff = load_tariff("mine.yaml", tmp_path)
    assert (tariff.names["en"], tariff.energy, tariff.currency) == ("Whole", (), "NT$")


# -- in a site --------------------------------------------------------------------------------------------


def problems_of(tmp_path, tariff, contract=CONTRACT):
    with pytest.raises(ConfigurationError) as caught:
        load_site(write_site(tmp_path, tariff, contract))
    return render_all([one for one in caught.value.problems if not one.warning], "en")


def test_a_site_has_its_tariffs_contracts_and_days(tmp_path):
    contract = (
        "contract: {capacity_kw: 500, off_peak_kw: 50, changes: [{from: 2025-07-01, capacity_kw: 450.5}]}"
    )
    tariff = (
        "tariff: {plans: [{name: taipower-hv-two-stage, from: 2025-07-01},"
        " {name: taipower-hv-three-stage, to: 2025-06-30}], power_factor_percent: 97.5}"
    )
    loaded = load_site(write_site(tmp_path, tariff, contract))
    supply = loaded.supply
    assert [plan.value.tariff.id for plan in supply.plans] == [
        "taipower-hv-three-stage",
        "taipower-hv-two-stage",
    ]
    assert on(supply.contracts, date(2025, 6, 30)).value == Contract(
        Decimal("500.0"), Decimal(0), Decimal(0), Decimal("50.0")
    )
    assert on(supply.contracts, date(2025, 7, 1)).value.regular_kw == Decimal("450.5")
    assert supply.power_factor_percent == Decimal("97.5")
    assert loaded.site.contract.on(date(2025, 7, 1)).capacity_kw == 450.5
    assert loaded.site.contract.on(date(2025, 6, 30)).capacity_kw == 500


def test_a_site_without_a_tariff_has_none(tmp_path):
    assert load_site(write_site(tmp_path, "")).supply is None


@pytest.mark.parametrize(
    ("tariff", "words"),
    [
        ("tariff: {plans: [{name: taipower-hv-three-stge}]}", "did you mean 'taipower-hv-three-stage'?"),
        ("tariff: {plans: [{name: ./mine.yaml}]}", "tariff.plans.0.name: there is no such file."),
        ("tariff: {plans: []}", "tariff.plans"),
        ("tariff: {plans: [{name: taipower-hv-two-stage}], calendar: taipower-off-pek}",
         "did you mean 'taipower-off-peak'?"),
        (("tariff: {plans: [{name: taipower-hv-two-stage, to: 2025-06-30}, "
         "{name: taipower-hv-three-stage, from: 2025-06-30}]}"),
         "on 2025-06-30 the entry of line 9 holds too."),
        ("tariff: {plans: [{name: taipower-hv-two-stage}], power_factor_percent: 0}",
         "it must be more than 0"),
    ],
)  # fmt: skip
def test_a_tariff_section_that_cannot_be(tmp_path, tariff, words):
    assert words in problems_of(tmp_path, tariff)


@pytest.mark.parametrize(
    ("contract", "words"),
    [
        ("contract: {capacity_kw: 0}", "contract.capacity_kw: 0 is too small: it must be more than 0."),
        ("contract: {capacity_kw: 5, half_peak_kw: -1}", "contract.half_peak_kw: -1 is too small"),
        (
            (
                "contract: {capacity_kw: 5, changes: [{from: 2025-02-01, capacity_kw: 4},"
                " {from: 2025-01-01, capacity_kw: 3}]}"
            ),
            "2025-01-01 is not after the change before it.",
        ),
        ("contract: {capacity_kw: 5, alarm_percent: 120}", "contract.alarm_percent: 120 is too large"),
    ],
)
def test_a_contract_that_cannot_be(tmp_path, contract, words):
    assert words in problems_of(tmp_path, "", contract)


def test_what_is_wrong_in_a_file_of_ones_own_is_told_with_the_site(tmp_path):
    (tmp_path / "mine.yaml").write_text(MINE.replace("grade: P", "grade: A"), encoding="utf-8")
    told = problems_of(tmp_path, "tariff: {plans: [{name: mine.yaml}]}")
    assert "mine.yaml:7:12: energy.0.grade: 'A' is none of" in told


def test_days_between_two_plans_are_a_warning(tmp_path):
    tariff = (
        "tariff: {plans: [{name: taipower-hv-two-stage, to: 2025-06-29},"
        " {name: taipower-hv-three-stage, from: 2025-07-01}]}"
    )
    warnings = load_site(write_site(tmp_path, tariff)).warnings
    (gap,) = [one for one in warnings if one.code == "tariff.gap"]
    assert "nothing holds from 2025-06-30 to 2025-06-30" in gap.message("en")


def test_a_calendar_of_ones_own_adds_a_year(tmp_path):
    (tmp_path / "days.yaml").write_text(
        "calendar: days\nextends: taipower-off-peak\n"
        "years: {2027: {grade: P, source: letter, days: {2027-01-01: {zh-TW: 元旦, en: New Year}}}}\n",
        encoding="utf-8",
    )
    tariff = "tariff: {plans: [{name: taipower-hv-two-stage}], calendar: days.yaml}"
    (plan,) = load_site(write_site(tmp_path, tariff)).supply.plans
    assert plan.value.days.holds(date(2027, 1, 1))
