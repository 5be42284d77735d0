"""A half-year of a zone with daylight saving, from the store: everybody counts every hour once."""

from datetime import date, timedelta
from zoneinfo import ZoneInfo

import pytest

from config.loading import load_site
from config.site import Commodity
from monitor.reports.results import SiteResults
from monitor.reports.summary import half_year_summary
from monitor.store.database import open_writer
from monitor.store.known_days import known_days
from monitor.store.measured import write_measured
from monitor.store.reader import StoreReader
from monitor.web.halfyear import compare
from rules.calendar import day_start_s, reporting_period
from tests.site_example import example_text

# Where the second half-year has one hour more, and where it has half an hour or an hour less.
ZONES = {"Europe/Berlin": 1.0, "America/New_York": 1.0, "Australia/Lord_Howe": -0.5, "Asia/Taipei": 0.0}
LENGTH_S = 1800


@pytest.fixture(params=ZONES)
def place(request, tmp_path):
    text = (
        example_text().replace("Asia/Taipei", request.param).replace("base_year: 2015", "base_year: 2025", 1)
    )
    (tmp_path / "site.yaml").write_text(text, encoding="utf-8")
    loaded = load_site(tmp_path / "site.yaml")
    zone, site = ZoneInfo(request.param), loaded.site.site.id
    engine = open_writer(tmp_path / "energy.db")
    seq = 0
    for year in (2025, 2026):
        start_s, end_s = day_start_s(date(year, 7, 1), zone), day_start_s(date(year + 1, 1, 1), zone)
        starts: list[float] = list(range(start_s, end_s, LENGTH_S))
        n = len(starts)
        columns: dict[str, list[float]] = dict.fromkeys(("rate_avg", "rate_max", "rate_min"), [1.0] * n)
        columns |= {"start_s": starts, "duration_s": [LENGTH_S] * n, "quantity": [0.5] * n}
        columns |= {"register_start": [0.0] * n, "register_end": [0.5] * n}
        with engine.begin() as connection:
            seq = write_measured(connection, site, "building", columns, seq)
    reader = StoreReader.open(tmp_path / "energy.db", site)
    yield loaded.site, reader, zone, 184 * 24 + ZONES[request.param]
    reader.close()
    engine.dispose()


def test_every_hour_of_a_half_year_counts_once(place):
    site, reader, zone, hours = place
    settings = site.commodities[Commodity.ELECTRICITY]
    summary = half_year_summary(reader, site, reporting_period("2026H2"), "en")
    saving = summary.savings[0]
    assert (float(saving.actual), float(saving.base)) == (hours, hours)
    assert saving.actual_usage.coverage == 1.0 == saving.base_usage.coverage
    actual, base, compared = known_days(reader, Commodity.ELECTRICITY, settings, summary.period, zone)
    assert float(sum(actual.quantity)) == hours == float(sum(base.quantity))
    assert actual.known.all()
    assert len(compared.pairs) == 184
    assert [float(q) for q in actual.quantity] == [s / 3600 for s in actual.length_s]
    half = compare(reader, Commodity.ELECTRICITY, settings, today=date(2026, 12, 31), zone=zone)
    assert float(half.actual) == hours - 24
    assert half.compared == half.days == 183


def test_savings_of_yesterday_are_those_of_local_days(place):
    site, reader, zone, _ = place
    change = date(2026, 11, 2)
    rows = SiteResults(site, reader).due(day_start_s(change, zone) + 60)
    (row,) = [one for one in rows if one.kind == "savings" and one.subject == "electricity"]
    assert row.at_s == day_start_s(change - timedelta(days=1), zone)
    first_s = day_start_s(date(2026, 7, 1), zone)
    assert row.data["actual"] == (day_start_s(change, zone) - first_s) / 3600
    assert row.data["coverage"] == 1.0
