"""Replaced and reset registers and new factors within a period stand among the summary's notes."""

import json
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from config.site import Site
from monitor.reports.as_json import as_json
from monitor.reports.as_text import as_text
from monitor.reports.summary import half_year_summary
from monitor.store.interval_rows import write_intervals
from monitor.store.ledgers import writing
from monitor.store.reader import StoreReader
from monitor.store.records import RecordRequest, write_record
from monitor.store.rows import IntervalRow
from rules.calendar import reporting_period
from rules.intervals import Interval

TAIPEI = ZoneInfo("Asia/Taipei")
HOUR_S = 3600


def meter(id_, name, **more):
    names = {"zh-TW": name, "en": f"{id_.title()} wing"}
    counter = {} if "formula" in more else {"counter": f"{id_}.energy_import", "max_rate": 1000}
    return {"id": id_, "name": names, "commodity": "electricity", **counter, **more}


CHANGE = {"at": "2016-02-10T09:00:00+08:00", "factor": 60, "reason": "transformers 300/5 for 200/5, Lin"}
SITE = Site.model_validate(
    {
        "site": {"id": "annex", "name": {"zh-TW": "附屬館", "en": "Annex"}},
        "interval_s": HOUR_S,
        "commodities": {"electricity": {"base_year": 2015, "meters": ["both"]}},
        "meters": [
            meter("east", "東側總電表", factor=40, changes=[CHANGE]),
            meter("west", "西側總電表"),
            meter("roof", "屋頂電表"),
            meter("both", "全館", formula="east + west"),
        ],
    }
)


def at_ms(text: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=TAIPEI).timestamp() * 1000)


def record(meter_id, at, kind="replaced", *, reason="calibration due, Lin", old=1000.5, **more):
    said = {"old_final": old, "new_start": 0.25, "serial": "", "force": True, **more}
    return RecordRequest(kind, meter_id, at_ms(at), reason=reason, recorded_ms=1, max_rate=1000.0, **said)


@pytest.fixture(scope="module")
def reader(tmp_path_factory):
    path = tmp_path_factory.mktemp("lives") / "energy.db"
    rows = [
        IntervalRow(id_, Interval(at_s, HOUR_S, 10.0, 1.0, 0, 10, 10, 10, False, 0.0, 10.0, 0))
        for id_ in ("east", "west", "roof", "both")
        for month in ("2015-02", "2016-02")
        for at_s in range(*reporting_period(month).bounds_s(TAIPEI), HOUR_S)
    ]
    with writing(path) as engine:
        with engine.begin() as connection:
            write_intervals(connection, "annex", rows, 0)
        for one in (
            record("west", "2016-02-03T09:20", serial="SN-7", force=False, old=10.0),
            record("west", "2016-02-05T10:00", old=None, reason="reset by the maker."),
            record("west", "2015-02-05T10:00", reason="in the base year"),
            record("west", "2016-01-31T23:59", reason="before the period"),
            record("west", "2016-03-01T00:00", reason="after the period"),
            record("east", "2016-02-07T00:00", reason="a slip"),
            record(
                "east", "2016-02-07T00:00", "withdrawn", reason="the other meter", old=None, new_start=None
            ),
            record("roof", "2016-02-07T00:00", reason="counts for nothing here"),
        ):
            write_record(engine, "annex", one)
    found = StoreReader.open(path, "annex")
    yield found
    found.close()


def notes(reader, language):
    summary = half_year_summary(reader, SITE, reporting_period("2016-02"), language)
    told = json.loads(as_json(summary))["notes"]
    text = "".join(as_text(summary).split())
    assert all("".join(note["text"].split()) in text for note in told)
    return [note for note in told if note["code"] in ("replaced", "factor")]


def test_what_was_done_to_the_registers_is_told_meter_by_meter(reader):
    base, factor, replaced, reset = notes(reader, "en")
    assert "in the base year" in base["text"]
    assert (base["figure"], factor["figure"]) == ("base", "actual")
    assert "2016-02-10 09:00" in factor["text"]
    assert "East wing is multiplied by 60 instead of 40" in factor["text"]
    assert factor["text"].endswith("Reason: transformers 300/5 for 200/5, Lin.")
    assert "2016-02-03 09:20" in replaced["text"]
    assert "stood at 10, the new one began at 0.25, serial number SN-7." in replaced["text"]
    assert "a reading that nobody took" in reset["text"]
    assert "kept although it contradicts the readings" in reset["text"]
    assert reset["text"].endswith("reset by the maker.")


def test_the_notes_are_in_the_summarys_language(reader):
    _, factor, replaced, _ = notes(reader, "zh-TW")
    assert "計量表「東側總電表」自105年2月10日 09:00起倍率由 40 改為 60" in factor["text"]
    assert "計量表「西側總電表」於105年2月3日 09:20換表或歸零" in replaced["text"]
