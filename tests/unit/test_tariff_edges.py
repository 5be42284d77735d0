"""The shipped tariffs' own clocks at either side of every edge, and prices, by the reference's table.

The table is written down here by hand once more: the files are held against it, never against themselves.
"""

from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from config.tariff_files import load_tariff
from rules.tariff.parts import parts_of
from rules.tariff.periods import Period
from rules.tariff.terms import on
from rules.tariff.usage import classify
from tests.tariff_world import HALF, OFF, PEAK, SATURDAY, TAIPEI, listed, supply

THREE, TWO = (load_tariff(f"taipower-hv-{stages}-stage", Path()) for stages in ("three", "two"))
ALL_OFF = [("00:00", OFF)]
OLD_SUMMER = [
    ("00:00", OFF), ("07:30", HALF), ("10:00", PEAK), ("12:00", HALF), ("13:00", PEAK), ("17:00", HALF),
    ("22:30", OFF),
]  # fmt: skip
OLD_OTHER = [("00:00", OFF), ("07:30", HALF), ("22:30", OFF)]
OLD_SATURDAY = [("00:00", OFF), ("07:30", SATURDAY), ("22:30", OFF)]
NEW_SUMMER = [("00:00", OFF), ("09:00", HALF), ("16:00", PEAK), ("22:00", HALF)]
NEW_OTHER = [("00:00", OFF), ("06:00", HALF), ("11:00", OFF), ("14:00", HALF)]
NEW_SUMMER_SATURDAY = [("00:00", OFF), ("09:00", SATURDAY)]
NEW_OTHER_SATURDAY = [("00:00", OFF), ("06:00", SATURDAY), ("11:00", OFF), ("14:00", SATURDAY)]
DAYS = [
    # Wednesdays, Saturdays and Sundays: of a summer's and of another month, and beside each season's edge
    *((date(year, *day), OLD_SUMMER) for year in (2015, 2017) for day in ((6, 1), (7, 12), (9, 29))
      if date(year, *day).weekday() < 5),
    *((date(year, *day), OLD_OTHER) for year in (2015, 2017) for day in ((5, 29), (10, 2), (2, 4), (11, 14))
      if date(year, *day).weekday() < 5),
    (date(2015, 9, 30), OLD_SUMMER), (date(2015, 10, 1), OLD_OTHER),
    (date(2017, 5, 31), OLD_OTHER), (date(2017, 6, 1), OLD_SUMMER),
    (date(2015, 7, 4), OLD_SATURDAY), (date(2015, 11, 7), OLD_SATURDAY), (date(2015, 7, 5), ALL_OFF),
    (date(2017, 7, 1), OLD_SATURDAY), (date(2017, 11, 4), OLD_SATURDAY), (date(2017, 11, 5), ALL_OFF),
    (date(2023, 7, 5), NEW_SUMMER), (date(2023, 7, 8), NEW_SUMMER_SATURDAY), (date(2023, 7, 9), ALL_OFF),
    (date(2023, 11, 8), NEW_OTHER), (date(2023, 11, 11), NEW_OTHER_SATURDAY), (date(2023, 11, 12), ALL_OFF),
    (date(2025, 5, 15), NEW_OTHER), (date(2025, 5, 16), NEW_SUMMER),
    (date(2025, 10, 15), NEW_SUMMER), (date(2025, 10, 16), NEW_OTHER),
    (date(2025, 10, 11), NEW_SUMMER_SATURDAY), (date(2025, 10, 18), NEW_OTHER_SATURDAY),
]  # fmt: skip


def periods(tariff, day, instants):
    """The period of each instant of a day, by the file's own clock."""
    one = supply(one=tariff, days=listed(years=(day.year,)), since=date(2015, 1, 1))
    found = classify(parts_of(one, day, day), np.array(instants, dtype=np.int64), TAIPEI)
    return [Period(int(code)) for code in found.period]


def quarters(day):
    midnight = datetime(day.year, day.month, day.day, tzinfo=TAIPEI)
    return [int((midnight + timedelta(minutes=15 * at)).timestamp()) for at in range(96)]


def sides(day, edges, stages):
    """The minute before each edge and the one that it begins, with what the table says of both."""
    midnight = datetime(day.year, day.month, day.day, tzinfo=TAIPEI)
    found = []
    for (_, before), (text, after) in pairwise(edges):
        edge_s = int((midnight + timedelta(hours=int(text[:2]), minutes=int(text[3:]))).timestamp())
        found += [(edge_s - 60, before), (edge_s, after)]
    return [(at_s, PEAK if stages == 2 and period is HALF else period) for at_s, period in found]


def expected(edges, stages):
    """The period of each quarter of an hour by the table; of two stages every half-peak hour is peak."""
    row = []
    for at in range(96):
        text = f"{at // 4:02d}:{15 * (at % 4):02d}"
        period = [one for since, one in edges if since <= text][-1]
        row.append(PEAK if stages == 2 and period is HALF else period)
    return row


@pytest.mark.parametrize(("day", "edges"), DAYS, ids=[day.isoformat() for day, _ in DAYS])
@pytest.mark.parametrize(("tariff", "stages"), [(THREE, 3), (TWO, 2)], ids=["three", "two"])
def test_every_quarter_of_an_hour_and_so_either_side_of_every_edge(tariff, stages, day, edges):
    assert periods(tariff, day, quarters(day)) == expected(edges, stages)
    wanted = sides(day, edges, stages)
    assert periods(tariff, day, [at_s for at_s, _ in wanted]) == [period for _, period in wanted]


@pytest.mark.parametrize(
    ("season", "period", "three", "two"),
    [
        ("summer", PEAK, "9.39", "6.75"), ("summer", HALF, "5.85", None),
        ("summer", SATURDAY, "2.60", "2.77"), ("summer", OFF, "2.53", "2.71"),
        ("other", PEAK, None, "6.37"), ("other", HALF, "5.47", None),
        ("other", SATURDAY, "2.41", "2.54"), ("other", OFF, "2.32", "2.46"),
    ],
)  # fmt: skip
def test_energy_prices_of_both_seasons_with_saturdays(season, period, three, two):
    for tariff, price in ((THREE, three), (TWO, two)):
        prices = on(tariff.energy, date(2025, 11, 1)).value
        assert prices.of(season, period) == (None if price is None else Decimal(price))


@pytest.mark.parametrize("year", [2015, 2017, 2023, 2025])
def test_basic_rates_of_both_seasons_with_saturdays_and_off_peak(year):
    rates = on(THREE.basic, date(year, 12, 1)).value
    told = {name: (one.regular, one.half_peak, one.others) for name, one in rates.items()}
    assert told == {
        "summer": (Decimal("223.6"), Decimal("166.9"), Decimal("44.7")),
        "other": (Decimal("166.9"), Decimal("166.9"), Decimal("33.3")),
    }
