"""Manual readings in the store: whole or not at all, never back, and what a report makes of them."""

import json
from datetime import date
from pathlib import Path

import pytest
from sqlalchemy import select

from config.ledger import LedgerRow, ReadingRow
from config.site import Site
from config.words import LANGUAGES, say
from monitor.cli.importing import run_import
from monitor.reports.as_json import as_json
from monitor.reports.as_text import as_text
from monitor.reports.summary import half_year_summary
from monitor.store import schema
from monitor.store.database import LedgerRefused
from monitor.store.ledgers import ImportOutcome, import_ledger, writing
from monitor.store.reader import StoreReader
from monitor.store.readings import import_readings
from monitor.store.requests import ImportRequest, RequestBox
from rules.calendar import reporting_period

SITE = "hall"
EXAMPLE = Path(__file__).parents[2] / "examples" / "taipei-city-hall"
TOLD = {"file_name": "r.csv", "sha256": "ab" * 32, "at_ms": 1}


def read(day, reading, *, subject="water", unit="m3", source="slip", row=2):
    return ReadingRow(subject, date.fromisoformat(day), reading, unit, source, row)


JULY = read("2017-07-01", 12345.6)
AUGUST = read("2017-08-01", 12400.1, row=3)
SEPTEMBER = read("2017-09-01", 12460.0, source="slip 9", row=4)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "energy.db"


def put(path, *rows, **options):
    with writing(path) as engine:
        return import_readings(engine, SITE, rows, **TOLD, **options)


def book(path, start, end, quantity, *, subject="water"):
    row = LedgerRow(subject, date.fromisoformat(start), date.fromisoformat(end), quantity, "m3", "bill", 2)
    with writing(path) as engine:
        import_ledger(engine, SITE, [row], kind="actuals", **TOLD)


def rows_of(path, table=schema.manual_readings):
    with writing(path) as engine, engine.connect() as connection:
        return connection.execute(select(table)).mappings().all()


def asked(path, what, first, last, subject="water"):
    reader = StoreReader.open(path, SITE)
    entries = getattr(reader, what)(subject, date.fromisoformat(first), date.fromisoformat(last))
    reader.close()
    return [
        (entry.start.isoformat(), entry.end.isoformat(), entry.quantity, entry.source) for entry in entries
    ]


def ledger(path, first="2017-01-01", last="2017-12-31", **options):
    return asked(path, "ledger", first, last, **options)


IN_JULY = ("2017-07-01", "2017-07-31", 54.5, "12345.6 (2017-07-01) → 12400.1 (2017-08-01), slip")
IN_AUGUST = ("2017-08-01", "2017-08-31", 59.9, "12400.1 (2017-08-01, slip) → 12460 (2017-09-01, slip 9)")


def test_what_was_used_between_two_readings_is_booked(path):
    assert put(path, SEPTEMBER, JULY, AUGUST) == ImportOutcome(added=3, unchanged=0, replaced=0)
    assert ledger(path) == [IN_JULY, IN_AUGUST]
    (record,) = rows_of(path, schema.imports)
    assert (record["kind"], record["file"], record["sha256"], record["rows"]) == (
        "readings", "r.csv", "ab" * 32, 3,
    )  # fmt: skip
    assert {row["import_id"] for row in rows_of(path)} == {record["id"]}


@pytest.mark.parametrize(
    ("first", "last", "found"),
    [
        ("2017-06-01", "2017-06-30", []),
        ("2017-06-01", "2017-07-01", [IN_JULY]),
        ("2017-07-01", "2017-07-01", [IN_JULY]),
        ("2017-07-10", "2017-07-20", [IN_JULY]),
        ("2017-07-31", "2017-08-01", [IN_JULY, IN_AUGUST]),
        ("2017-08-31", "2017-12-31", [IN_AUGUST]),
        ("2017-09-01", "2017-12-31", []),
    ],
)
def test_spans_that_touch_the_period_are_given_whole(path, first, last, found):
    put(path, JULY, AUGUST, SEPTEMBER)
    assert ledger(path, first, last) == found


def test_one_reading_alone_says_nothing_yet(path):
    put(path, JULY, read("2017-08-01", 3, subject="rainwater"))
    assert ledger(path) == []


def test_the_same_file_again_changes_nothing(path):
    put(path, JULY, AUGUST)
    before = rows_of(path)
    assert put(path, JULY, AUGUST) == ImportOutcome(added=0, unchanged=2, replaced=0)
    assert put(path, JULY, AUGUST, replace=True) == ImportOutcome(added=0, unchanged=2, replaced=0)
    assert put(path, read("2017-07-01", 12345.6, source="other")).unchanged == 1
    assert rows_of(path) == before
    assert len(rows_of(path, schema.imports)) == 1


def test_a_new_figure_needs_replace(path):
    put(path, JULY, AUGUST)
    changed = read("2017-08-01", 12390.1, source="read again")
    with pytest.raises(LedgerRefused) as caught:
        put(path, SEPTEMBER, changed)
    assert caught.value.code == "store.reading_changed"
    assert caught.value.data == {
        "file": "r.csv", "row": 2, "subject": "water", "day": "2017-08-01",
        "old": "12400.1 m3", "new": "12390.1 m3",
    }  # fmt: skip
    assert len(rows_of(path)) == 2
    assert put(path, SEPTEMBER, changed, replace=True) == ImportOutcome(added=1, unchanged=0, replaced=1)
    assert [entry[2] for entry in ledger(path)] == [44.5, 69.9]
    assert put(path, read("2017-08-01", 12390.1, source="slip 8"), replace=True).replaced == 1


@pytest.mark.parametrize(
    ("row", "figures"),
    [
        (read("2017-07-15", 12400.2), ("12400.2 m3", "2017-07-15", "12400.1 m3", "2017-08-01")),
        (read("2017-07-15", 12345.5), ("12345.6 m3", "2017-07-01", "12345.5 m3", "2017-07-15")),
        (read("2017-06-01", 99999), ("99999 m3", "2017-06-01", "12345.6 m3", "2017-07-01")),
        (read("2017-08-01", 12000), ("12345.6 m3", "2017-07-01", "12000 m3", "2017-08-01")),
        (read("2017-10-01", 0), ("12460 m3", "2017-09-01", "0 m3", "2017-10-01")),
    ],
)
def test_a_reading_that_contradicts_its_neighbours_is_refused_with_both_days(path, row, figures):
    put(path, JULY, AUGUST, SEPTEMBER)
    with pytest.raises(LedgerRefused) as caught:
        put(path, read("2017-08-15", 12450, row=9), row, replace=True)
    (problem,) = caught.value.problems
    assert (problem.code, problem.data["row"]) == ("store.reading_back", 2)
    assert tuple(problem.data[name] for name in ("before", "before_day", "after", "after_day")) == figures
    for language in LANGUAGES:
        assert all(figure in say(problem.code, language, **problem.data) for figure in figures)
    assert len(rows_of(path)) == 3


def test_a_wrong_reading_and_its_neighbours_can_be_mended_by_one_file(path):
    put(path, JULY, read("2017-08-01", 21400.1), read("2017-09-01", 21460))
    assert put(path, AUGUST, SEPTEMBER, replace=True).replaced == 2
    assert ledger(path) == [IN_JULY, IN_AUGUST]


def test_everything_that_contradicts_is_told_in_the_order_of_the_file(path):
    put(path, JULY, AUGUST)
    with pytest.raises(LedgerRefused) as caught:
        put(
            path, read("2017-06-30", 12346, row=2), read("2017-08-01", 7, row=3), read("2017-07-31", 1, row=4)
        )
    assert [(one.code.removeprefix("store."), one.data["row"]) for one in caught.value.problems] == [
        ("reading_back", 2), ("reading_changed", 3), ("reading_back", 4),
    ]  # fmt: skip


def test_a_meter_that_became_one_of_another_commodity_is_refused(path):
    put(path, read("2017-07-01", 5, subject="main", unit="kWh"))
    with pytest.raises(LedgerRefused) as caught:
        put(path, read("2017-08-01", 6, subject="main"))
    assert caught.value.code == "store.reading_unit"
    for language in LANGUAGES:
        assert "5 kWh" in say(caught.value.code, language, **caught.value.data)


def test_other_subjects_and_other_sites_do_not_collide(path):
    put(path, JULY, AUGUST)
    with writing(path) as engine:
        outcome = import_readings(engine, "annex", [read("2017-07-15", 1)], **TOLD)
    assert outcome.added == 1
    assert put(path, read("2017-07-15", 1, subject="water-main")).added == 1
    assert ledger(path) == [IN_JULY]


def test_a_failure_in_the_middle_leaves_nothing_and_progress_reaches_every_row(path):
    def stop(_rows):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        put(path, JULY, AUGUST, progress=stop)
    assert rows_of(path) == []
    assert rows_of(path, schema.imports) == []
    moves = []
    put(path, JULY, AUGUST)
    put(path, read("2017-07-01", 12345.0), AUGUST, SEPTEMBER, replace=True, progress=moves.append)
    assert sum(moves) == 3


def test_the_ledger_goes_before_readings_and_no_day_stands_twice(path):
    put(path, JULY, AUGUST, SEPTEMBER)
    book(path, "2017-08-31", "2017-09-30", 70)
    bill = ("2017-08-31", "2017-09-30", 70, "bill")
    assert ledger(path) == [IN_JULY, bill]
    assert asked(path, "readings_left_out", "2017-01-01", "2017-12-31") == [IN_AUGUST]
    # Also when only days are asked for that the ledger row does not hold.
    assert ledger(path, "2017-08-01", "2017-08-10") == []
    assert asked(path, "readings_left_out", "2017-08-01", "2017-08-10") == [IN_AUGUST]
    assert asked(path, "readings_left_out", "2017-07-01", "2017-07-31") == []
    # A reading at the edge of the row lets the other days count.
    put(path, read("2017-08-31", 12458.1, source="slip 9"))
    assert [entry[:3] for entry in ledger(path)] == [
        IN_JULY[:3],
        ("2017-08-01", "2017-08-30", 58.0),
        bill[:3],
    ]


def test_the_request_box_carries_readings(path):
    box = RequestBox(path)
    first = box.put(ImportRequest("readings", "r.csv", "ab", 1, False, readings=(JULY, AUGUST)))
    second = box.put(ImportRequest("readings", "r.csv", "ab", 1, False, readings=(read("2017-09-01", 1),)))
    with writing(path) as engine:
        assert box.take_up(engine, SITE) == 2
    assert box.answer_to(first) == ImportOutcome(added=2, unchanged=0, replaced=0)
    with pytest.raises(LedgerRefused) as caught:
        box.answer_to(second)
    assert (caught.value.code, caught.value.data["after_day"]) == ("store.reading_back", "2017-09-01")
    box.close()
    assert ledger(path) == [IN_JULY]


HALL = Site.model_validate(
    {
        "site": {"id": SITE, "name": {"zh-TW": "市政大樓", "en": "City Hall"}},
        "commodities": {"water": {"base_year": 2016, "meters": ["tower"]}},
        "meters": [
            {
                "id": "tower",
                "name": {"zh-TW": "水塔水表", "en": "Tower"},
                "commodity": "water",
                "counter": "tower.volume",
                "max_rate": 100,
            }
        ],
    }
)


def summary(path, period, language="en"):
    reader = StoreReader.open(path, SITE)
    found = half_year_summary(reader, HALL, reporting_period(period), language)
    reader.close()
    return found


def test_a_report_takes_readings_and_names_both(path):
    put(path, JULY, AUGUST, SEPTEMBER, read("2016-07-01", 100), read("2016-09-01", 162))
    (saving,) = json.loads(as_json(summary(path, "2017-07")))["savings"]
    assert (saving["base"], saving["actual"], saving["coverage"]) == (31, 54.5, 1)
    assert [(row["source"], row["counted"], row["apportioned"]) for row in saving["sources"]] == [
        ("100 (2016-07-01) → 162 (2016-09-01), slip", 31, True),
        (IN_JULY[3], 54.5, False),
    ]
    for language in LANGUAGES:
        assert "12345.6 (2017-07-01)" in as_text(summary(path, "2017-07", language))


@pytest.mark.parametrize("subject", ["water", "tower"])
def test_readings_that_give_way_are_a_footnote_where_days_are_missed(path, subject):
    put(path, *(read(f"2017-{month:02d}-01", 10.0 * month, subject=subject) for month in (5, 7, 9)))
    book(path, "2017-08-31", "2017-08-31", 1, subject=subject)

    def notes(period, language="en"):
        return [
            (note["code"], note["text"])
            for note in json.loads(as_json(summary(path, period, language)))["notes"]
            if note["figure"] == "actual"
        ]

    (nothing, left_out) = notes("2017-07")
    assert (nothing[0], left_out[0]) == ("nothing", "reading_left_out")
    assert "2017-07-01 to 2017-08-31 shares days with the ledger" in left_out[1]
    assert "70 (2017-07-01) → 90 (2017-09-01), slip" in left_out[1]
    assert ("meter 'Tower'" in left_out[1]) == (subject == "tower")
    assert [code for code, _ in notes("2017-08")] == ["coverage", "reading_left_out"]
    assert "整段不計" in notes("2017-08", "zh-TW")[1][1]
    # Where the ledger holds every day that is asked for, nothing is missed.
    assert notes("2017-08-31/2017-08-31") == []
    assert [code for code, _ in notes("2017-06")] == ["estimated", "apportioned"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_command_takes_readings_of_the_sites_meters(tmp_path, capsys, language):
    site = tmp_path / "site.yaml"
    site.write_text((EXAMPLE / "site.yaml").read_text("utf-8"), encoding="utf-8")
    good, bad = tmp_path / "good.csv", tmp_path / "bad.csv"
    heading = "meter,day,reading,unit,source\n"
    good.write_text(
        heading + "water-main,2017-07-01,12345.6,m3,slip\nwater-main,2017-08-01,12400.1,m3,slip\n"
    )
    bad.write_text(heading + "water-main,2017-07-01,5,m3,slip\nwater-main,2017-08-01,4,m3,slip\n")
    assert run_import(site, "readings", [good, bad], language=language) == 1
    told = capsys.readouterr()
    assert "bad.csv:3:23: reading: " in told.err
    assert told.out == ""
    assert not (tmp_path / "data").exists()
    assert run_import(site, "readings", [good], language=language) == 0
    bad.write_text(heading + "water-main,2017-07-15,12345.5,m3,slip\n")
    assert run_import(site, "readings", [bad], language=language) == 1
    told = capsys.readouterr()
    assert "good.csv" in told.out
    assert all(part in told.err for part in ("12345.6 m3", "2017-07-01", "12345.5 m3", "2017-07-15"))
