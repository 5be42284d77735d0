"""A period about which not everything is known: every doubt is a footnote, and nothing is taken for zero."""

import json
from datetime import date
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from config.ledger import LedgerRow, ReasonRow
from config.site import Site
from monitor.reports.as_json import as_json
from monitor.reports.as_text import as_text
from monitor.reports.summary import half_year_summary
from monitor.store.interval_rows import write_intervals
from monitor.store.ledgers import import_ledger, import_reasons, writing
from monitor.store.reader import StoreReader
from monitor.store.rows import IntervalRow
from rules.calendar import reporting_period
from rules.intervals import Interval
from rules.quality import Quality

EXPECTED = Path(__file__).parent / "expected"
TAIPEI = ZoneInfo("Asia/Taipei")
HOUR_S = 3600

SITE = Site.model_validate(
    {
        "site": {"id": "annex", "name": {"zh-TW": "市政大樓附屬館", "en": "City Hall annex"}},
        "interval_s": HOUR_S,
        "commodities": {
            "electricity": {"base_year": 2015, "meters": ["east", "west"]},
            "water": {"base_year": 2015},
            "vehicle_fuel": {"base_year": 2015},
            "chilled_water": {"base_year": 2015},
            "rainwater": {"base_year": 2015},
        },
        "meters": [
            {
                "id": id_,
                "name": {"zh-TW": name, "en": f"{id_.title()} wing"},
                "commodity": "electricity",
                "counter": f"{id_}.energy_import",
                "max_rate": 1000,
            }
            for id_, name in (("east", "東側總電表"), ("west", "西側總電表"))
        ],
    }
)


def booked(subject, start, end, quantity, *, source, unit="kWh"):
    return LedgerRow(subject, date.fromisoformat(start), date.fromisoformat(end), quantity, unit, source, 2)


def hours(meter, start, end, kwh, *, quality=Quality.GOOD, caught_up=False):
    first_s = reporting_period(f"{start}/{end}").bounds_s(TAIPEI)
    return [
        IntervalRow(
            meter,
            Interval(at_s, HOUR_S, kwh, 1.0, quality, kwh, kwh, kwh, caught_up, 0.0, 0.0, 0),
        )
        for at_s in range(*first_s, HOUR_S)
    ]


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    path = tmp_path_factory.mktemp("doubt") / "energy.db"
    rows = [
        booked("electricity", "2015-02-01", "2015-02-28", 100_000, source="台電104年2月電費單"),
        booked("water", "2015-01-16", "2015-02-15", 310.5, unit="m3", source="水費單 0115"),
        booked("water", "2015-02-16", "2015-03-15", 280, unit="m3", source="水費單 0215"),
        booked("water", "2016-02-01", "2016-02-29", 264.5, unit="m3", source="水費單 1051"),
        booked("vehicle_fuel", "2015-02-01", "2015-02-28", 0, unit="L", source="加油紀錄"),
        booked("vehicle_fuel", "2016-02-01", "2016-02-29", 41.2, unit="L", source="加油紀錄"),
        booked("rainwater", "2015-02-01", "2015-02-28", 12, unit="m3", source="雨水池抄表"),
        *(
            booked("west", f"2016-02-{day:02d}", f"2016-02-{day:02d}", 1200, source="抄表紀錄")
            for day in range(1, 6)
        ),
    ]
    intervals = [
        *hours("east", "2016-02-01", "2016-02-20", 80),
        *hours("east", "2016-02-21", "2016-02-22", 75, quality=Quality.ESTIMATED, caught_up=True),
        *hours("east", "2016-02-23", "2016-02-23", 80, quality=Quality.SUSPECT),
        *hours("west", "2016-02-06", "2016-02-29", 50.125),
        # Days with a reading in the ledger: the register must not count as well.
        *hours("west", "2016-02-01", "2016-02-05", 999),
    ]
    with writing(path) as engine:
        told = {"file_name": "ledger.csv", "sha256": "", "at_ms": 0}
        import_ledger(engine, "annex", rows, kind="actuals", **told)
        import_reasons(
            engine,
            "annex",
            [ReasonRow("vehicle_fuel", date(2016, 2, 1), date(2016, 2, 29), "新購公務車一輛", 2)],
            **told,
        )
        with engine.begin() as connection:
            write_intervals(connection, "annex", intervals, 0)
    return path


@pytest.mark.parametrize(
    ("name", "language", "render"),
    [
        ("doubtful.zh-TW.txt", "zh-TW", as_text),
        ("doubtful.en.txt", "en", as_text),
        ("doubtful.zh-TW.json", "zh-TW", as_json),
    ],
)
def test_every_doubt_is_told(store, name, language, render):
    reader = StoreReader.open(store, "annex")
    summary = half_year_summary(reader, SITE, reporting_period("2016-02"), language)
    reader.close()
    assert render(summary) == (EXPECTED / name).read_text("utf-8")


def test_what_is_not_known_is_no_figure(store):
    reader = StoreReader.open(store, "annex")
    data = json.loads(as_json(half_year_summary(reader, SITE, reporting_period("2016-02"), "en")))
    reader.close()
    by_name = {row["commodity"]: row for row in data["savings"]}
    electricity = by_name["electricity"]
    # 20 days of 24 h at 80, two at 75, one at 80; five read by hand, 24 days at 50.125.
    assert electricity["actual"] == 20 * 24 * 80 + 48 * 75 + 24 * 80 + 5 * 1200 + 24 * 24 * 50.125
    # The east wing is silent for six of its 29 days, and it is one of two.
    assert electricity["coverage"] == pytest.approx(1 - 6 / 29 / 2, abs=1e-6)
    assert by_name["chilled_water"]["base"] is None
    assert by_name["chilled_water"]["actual"] is None
    assert by_name["rainwater"] == {
        **by_name["rainwater"], "base": 12, "actual": None, "change": None, "percent": None, "direction": None
    }  # fmt: skip
    fuel = by_name["vehicle_fuel"]
    assert (fuel["change"], fuel["percent"], fuel["direction"]) == (41.2, None, "increase")
    # 15 of 31 days and 13 of 28, by days.
    assert by_name["water"]["base"] == pytest.approx(310.5 * 15 / 31 + 280 * 13 / 28, abs=1e-3)
