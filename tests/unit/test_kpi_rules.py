"""Retrofits, targets, forecasts and key figures, by the seed's own figures and by hand."""

from dataclasses import replace
from datetime import date
from fractions import Fraction

import pytest

from rules.kpi import Forecast, Pace, counted_area_m2, even_forecast, forecast, share_of
from rules.measures import (
    LEAST_DAYS,
    DatedPrice,
    Measure,
    before_and_after,
    price_on,
    stated_kwh_a_year,
    worth,
)
from rules.models.students_t import t_value

LED = Measure("led", "electricity", "", "", 93, 26.0, 10.0, 5000.0, None, None, "", "")


@pytest.mark.parametrize(
    ("quantity", "old_w", "new_w", "hours", "kwh", "money"),
    [(93, 26.0, 10.0, 5000.0, 7440, 28198), (337, 28.0, 18.0, 3900.0, 13143, 49812)],
)
def test_the_two_rows_of_the_council_report_to_the_kilowatt_hour(quantity, old_w, new_w, hours, kwh, money):
    led = replace(LED, quantity=quantity, old_w=old_w, new_w=new_w, hours_a_year=hours)
    saved = stated_kwh_a_year(led)
    assert saved == kwh
    assert worth(saved, 3.79) == money


@pytest.mark.parametrize("unstated", ["old_w", "new_w", "hours_a_year"])
def test_what_nobody_stated_is_not_made_up(unstated):
    assert stated_kwh_a_year(replace(LED, **{unstated: None})) is None


@pytest.mark.parametrize(
    ("saving", "price", "money"), [(1, 0.5, 1), (-1, 0.5, -1), (-1, 0.49, 0), (10, 3.0, 30)]
)
def test_money_is_rounded_half_up(saving, price, money):
    assert worth(Fraction(saving), price) == money


def test_the_price_is_that_of_the_day():
    prices = [DatedPrice(date(2018, 1, 1), 4.0), DatedPrice(date(2017, 1, 1), 3.79)]
    assert price_on(prices, date(2016, 12, 31)) is None
    assert price_on(prices, date(2017, 12, 31)) == prices[1]
    assert price_on(prices, date(2018, 1, 1)) == prices[0]


def test_a_sub_meter_is_held_against_itself():
    before, after = [10.0] * LEAST_DAYS + [None], [8.0] * LEAST_DAYS
    found = before_and_after(before, after)
    assert found is not None
    assert (found.before, found.after, found.days_before, found.a_year) == (10.0, 8.0, LEAST_DAYS, 730.0)
    assert before_and_after(before[1:], after) is None
    assert before_and_after(before, after[1:]) is None


def test_the_rainwater_of_the_council_report():
    assert share_of(Fraction(113 + 93), 200.0) == Fraction(103, 100)


def test_what_is_left_is_scaled_by_the_days_so_far():
    paces = [Pace(9.0, 10.0), Pace(11.0, 10.0), Pace(9.0, 10.0), Pace(11.0, 10.0)]
    found = forecast(40.0, paces, 60.0, 6.0)
    assert found is not None
    assert (found.expected, found.ratio, found.blocks) == (100.0, 1.0, 4)
    spread = (4 * 0.01 / 3) ** 0.5
    assert found.half_width == pytest.approx(t_value(0.9, 3) * spread * 10.0 * (6.0 + 36.0 / 4) ** 0.5)
    assert forecast(36.0, [Pace(9.0, 10.0)] * 4, 60.0, 6.0) == Forecast(90.0, 0.0, 4, 0.9)


def test_of_few_weeks_no_band_is_told():
    assert forecast(20.0, [Pace(20.0, 10.0)], 30.0, 4.0) == Forecast(80.0, None, 1, 2.0)
    assert forecast(20.0, [Pace(20.0, 0.0)], 30.0, 4.0) is None
    found = forecast(50.0, [Pace(10.0, 10.0)] * 4 + [Pace(10.0, 0.0)], 0.0, 0.0)
    assert found == Forecast(50.0, 0.0, 4, 1.25)


def test_without_a_base_year_the_days_go_on():
    blocks = [9.0, 11.0, 9.0, 11.0]
    found = even_forecast(40.0, 28, 14, blocks)
    assert found is not None
    assert found.expected == 60.0
    spread = (4 * 1.0 / 3) ** 0.5
    assert found.half_width == pytest.approx(t_value(0.9, 3) * spread * (2.0 + 4.0 / 4) ** 0.5)
    assert even_forecast(10.0, 5, 5, []) == Forecast(20.0, None, 0, 1.0)
    assert even_forecast(0.0, 28, 14, [0.0] * 4) == Forecast(0.0, None, 4, 1.0)
    assert even_forecast(0.0, 0, 14, []) is None


def test_parking_is_left_out_unless_it_is_wanted():
    assert counted_area_m2(1000.0, 200.0, with_parking=False) == 800.0
    assert counted_area_m2(1000.0, 200.0, with_parking=True) == 1000.0
