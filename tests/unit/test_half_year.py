"""The page, the report and the results say the same of one store."""

from datetime import date, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import insert

from config.loading import load_site
from config.site import Commodity
from monitor.reports.results import SiteResults
from monitor.reports.summary import half_year_summary
from monitor.store import schema
from monitor.store.reader import StoreReader
from monitor.web.halfyear import compare
from monitor.web.live import LiveState
from monitor.web.structured import structured
from monitor.web.view import fields
from rules.calendar import half_year_of
from rules.savings import ONE_DAY
from tests.browser.make_store import ZONE, Faults, Feeder

NOW_MS = int(datetime(2026, 7, 21, 13, 8, 30, tzinfo=ZONE).timestamp() * 1000)
TODAY = date(2026, 7, 21)
BASE_YEAR = 2024


def booked(subject, start, end, quantity):
    days = {"start_day": start.isoformat(), "end_day": end.isoformat()}
    facts = {"quantity": quantity, "unit": "kWh", "source": "bill", "import_id": 1}
    return {"site": "city-hall", "subject": subject, **days, **facts}


def read(subject, day, reading, unit):
    return {"site": "city-hall", "subject": subject, "day": day.isoformat(), "reading": reading, "unit": unit,
            "source": "log", "import_id": 1}  # fmt: skip


@pytest.fixture
def store(tmp_path):
    """Every kind of source: registers, the commodity's ledger, a meter's ledger, manual readings."""
    feeder = Feeder(tmp_path, NOW_MS, Faults())
    feeder.open()
    july = [date(BASE_YEAR, 7, n) for n in range(1, 32)]
    with feeder.engine.begin() as connection:
        connection.execute(
            insert(schema.ledger),
            [
                booked("electricity", july[0], july[9], 123456.5),
                booked("electricity", date(2026, 7, 3), date(2026, 7, 4), 25001.25),
                booked("main-2", july[12], july[13], 9000.75),
                booked("main-1", date(2026, 7, 8), date(2026, 7, 8), 4321.5),
            ],
        )
        connection.execute(
            insert(schema.manual_readings),
            [read("water", july[0], 100.0, "m3"), read("water", july[20], 3456.7, "m3")],
        )
    loaded = load_site(feeder.site_file)
    reader = StoreReader.open(loaded.store_path, "city-hall")
    yield feeder, loaded.site, reader
    reader.close()
    feeder.close()


def forget(feeder, meter, first, last):
    """Take away a meter's intervals of some days."""
    table = schema.intervals
    starts = [int(datetime(one.year, one.month, one.day, tzinfo=ZONE).timestamp()) for one in (first, last)]
    with feeder.engine.begin() as connection:
        connection.execute(
            table.delete().where(
                table.c.meter == meter, table.c.start_s >= starts[0], table.c.start_s < starts[1] + 86400
            )
        )


def test_page_and_report_print_the_same_figures(store):
    _, site, reader = store
    summary = half_year_summary(reader, site, half_year_of(TODAY).through(TODAY - ONE_DAY), "en")
    told = {saving.commodity: saving for saving in summary.savings}
    for commodity in (Commodity.ELECTRICITY, Commodity.WATER):
        half = compare(reader, commodity, site.commodities[commodity], today=TODAY, zone=ZONE)
        saving = told[commodity]
        assert half.compared == half.days == 20
        assert (half.base, half.actual, half.change) == (saving.base, saving.actual, saving.change)
        assert float(half.base) == pytest.approx(half.months[0].base)
        assert not half.estimated
    # What precedence gives, by hand: ten days of bills come before ten days of registers.
    assert told[Commodity.WATER].base == Decimal("3356.7")


def test_the_page_shows_them_as_the_report_does(store):
    feeder, _, _ = store
    with_page = LiveState(load_site(feeder.site_file))
    snapshot = with_page.step(NOW_MS)
    with_page.close()
    half = snapshot.half_years[Commodity.ELECTRICITY]
    shown = fields(snapshot, "en", ZONE)
    assert half.actual is not None
    assert half.base is not None
    assert shown["t.half"] == str(half.change.percent)
    assert shown["t.half_pair"] == f"{half.actual:,}\u00a0kWh, base {half.base:,}\u00a0kWh"
    told = structured(snapshot, "city-hall")["half_years"]["electricity"]
    assert told["actual"] == float(half.actual)
    assert told["percent"] == pytest.approx(float((half.actual - half.base) / half.base * 100), abs=0.005)


def test_a_bill_that_is_only_partly_compared_is_told_as_spread(store):
    feeder, site, reader = store
    forget(feeder, "main-1", date(2026, 7, 5), date(2026, 7, 6))
    settings = site.commodities[Commodity.ELECTRICITY]
    half = compare(reader, Commodity.ELECTRICITY, settings, today=TODAY, zone=ZONE)
    assert (half.days, half.compared, half.estimated) == (20, 18, True)


def test_nothing_is_compared_on_the_first_day_of_a_half_year(store):
    _, site, reader = store
    settings = site.commodities[Commodity.ELECTRICITY]
    half = compare(reader, Commodity.ELECTRICITY, settings, today=date(2026, 7, 1), zone=ZONE)
    assert (half.days, half.compared, half.actual, half.change.percent) == (0, 0, None, None)
    assert half.first - half.last == timedelta(days=1)


def savings_of(site, reader):
    rows = SiteResults(site, reader).due(NOW_MS // 1000)
    return {row.subject: row.data for row in rows if row.kind == "savings"}


def test_the_savings_that_are_sent_are_of_days_that_both_years_know(store):
    feeder, site, reader = store
    forget(feeder, "main-1", date(2026, 7, 9), date(2026, 7, 19))
    half = compare(
        reader, Commodity.ELECTRICITY, site.commodities[Commodity.ELECTRICITY], today=TODAY, zone=ZONE
    )
    sent = savings_of(site, reader)["electricity"]
    assert (sent["compared_days"], sent["days"]) == (half.compared, half.days) == (9, 20)
    assert (sent["base"], sent["actual"]) == (float(half.base), float(half.actual))
    assert sent["saving_percent"] == pytest.approx(
        (sent["base"] - sent["actual"]) / sent["base"] * 100, abs=0.005
    )
    assert sent["coverage"] == pytest.approx((20 + 9) / 40)  # one of two meters is silent for eleven days
    assert sent["base_coverage"] == 1.0


def test_without_a_day_in_common_no_saving_is_sent(store):
    feeder, site, reader = store
    forget(feeder, "water-1", date(2026, 7, 1), date(2026, 7, 21))
    sent = savings_of(site, reader)["water"]
    assert (sent["compared_days"], sent["days"], sent["coverage"]) == (0, 20, 0.0)
    assert {"base", "actual", "change", "saving_percent"}.isdisjoint(sent)
    assert sent["base_coverage"] == 1.0


def test_an_hour_that_is_missing_of_a_day_is_no_saving(store):
    """Days that both years know are whole, or made whole: 4 % of a day is a difference like any other."""
    feeder, site, reader = store
    settings = site.commodities[Commodity.WATER]
    whole = compare(reader, Commodity.WATER, settings, today=TODAY, zone=ZONE)
    table = schema.intervals
    local_hour = (table.c.start_s / 3600 + 8) % 24
    with feeder.engine.begin() as connection:
        first = int(datetime(2026, 7, 1, tzinfo=ZONE).timestamp())
        gone = table.delete().where(table.c.start_s >= first, local_hour == 4)
        assert connection.execute(gone).rowcount > 0
    part = compare(reader, Commodity.WATER, settings, today=TODAY, zone=ZONE)
    assert (part.compared, part.base) == (whole.compared, whole.base)
    assert part.actual is not None
    assert whole.actual is not None
    assert part.actual >= whole.actual
