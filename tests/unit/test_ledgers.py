"""A file goes into the store whole or not at all, once, and never against what stands there."""

from datetime import date

import pytest
from sqlalchemy import select

from config.ledger import LedgerRow, ReasonRow
from config.words import LANGUAGES, say
from monitor.store import schema
from monitor.store.database import LedgerRefused, StoreError, WriterLock
from monitor.store.ledgers import ImportOutcome, import_ledger, import_reasons, writing
from monitor.store.reader import StoreReader

SITE = "hall"


def booked(subject, start, end, quantity, *, unit="kWh", source="bill", row=2):
    return LedgerRow(subject, date.fromisoformat(start), date.fromisoformat(end), quantity, unit, source, row)


def reason(subject, start, end, text, row=2):
    return ReasonRow(subject, date.fromisoformat(start), date.fromisoformat(end), text, row)


JULY = booked("electricity", "2015-07-01", "2015-07-31", 2_100_000)
AUGUST = booked("electricity", "2015-08-01", "2015-08-31", 2_200_000, row=3)
WATER = booked("water", "2016-07-01", "2016-07-31", 14_000, unit="m3", row=4)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "energy.db"


def put(path, rows, **options):
    told = {"kind": "base", "file_name": "base.csv", "sha256": "ab" * 32, "at_ms": 1, **options}
    with writing(path) as engine:
        return import_ledger(engine, SITE, rows, **told)


def put_reasons(path, *rows, **options):
    with writing(path) as engine:
        return import_reasons(engine, SITE, rows, file_name="r.csv", sha256="", at_ms=1, **options)


def rows_of(path, table):
    with writing(path) as engine, engine.connect() as connection:
        return connection.execute(select(table)).mappings().all()


def ledger_of(path, subject="electricity"):
    reader = StoreReader.open(path, SITE)
    entries = reader.ledger(subject, date(2000, 1, 1), date(2099, 12, 31))
    reader.close()
    return [(entry.start.isoformat(), entry.end.isoformat(), entry.quantity) for entry in entries]


def test_rows_are_read_back_and_the_file_is_recorded(path):
    assert put(path, [JULY, AUGUST, WATER]) == ImportOutcome(added=3, unchanged=0, replaced=0)
    assert ledger_of(path) == [
        ("2015-07-01", "2015-07-31", 2_100_000),
        ("2015-08-01", "2015-08-31", 2_200_000),
    ]
    (record,) = rows_of(path, schema.imports)
    assert (record["kind"], record["file"], record["sha256"], record["rows"]) == (
        "base", "base.csv", "ab" * 32, 3,
    )  # fmt: skip
    assert {row["import_id"] for row in rows_of(path, schema.ledger)} == {record["id"]}


def test_the_same_file_again_changes_nothing(path):
    put(path, [JULY, AUGUST])
    before = rows_of(path, schema.ledger)
    assert put(path, [JULY, AUGUST]) == ImportOutcome(added=0, unchanged=2, replaced=0)
    assert put(path, [JULY, AUGUST], replace=True) == ImportOutcome(added=0, unchanged=2, replaced=0)
    assert rows_of(path, schema.ledger) == before
    assert len(rows_of(path, schema.imports)) == 1


def test_only_what_is_new_is_added(path):
    put(path, [JULY])
    assert put(path, [JULY, AUGUST]) == ImportOutcome(added=1, unchanged=1, replaced=0)
    assert len(ledger_of(path)) == 2


CHANGED = booked("electricity", "2015-07-01", "2015-07-31", 2_150_000.5)


def test_a_new_figure_needs_replace(path):
    put(path, [JULY])
    with pytest.raises(LedgerRefused) as caught:
        put(path, [AUGUST, CHANGED])
    assert caught.value.code == "store.ledger_changed"
    assert caught.value.data == {
        "file": "base.csv", "row": 2, "subject": "electricity", "start": "2015-07-01", "end": "2015-07-31",
        "old": "2100000", "new": "2150000.5", "unit": "kWh",
    }  # fmt: skip
    assert ledger_of(path) == [("2015-07-01", "2015-07-31", 2_100_000)]
    assert put(path, [AUGUST, CHANGED], replace=True) == ImportOutcome(added=1, unchanged=0, replaced=1)
    assert ledger_of(path)[0] == ("2015-07-01", "2015-07-31", 2_150_000.5)


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("2015-07-01", "2015-07-30"),
        ("2015-07-01", "2015-08-01"),
        ("2015-06-15", "2015-07-01"),
        ("2015-07-31", "2015-07-31"),
        ("2015-07-10", "2015-07-20"),
        ("2015-01-01", "2015-12-31"),
    ],
)
@pytest.mark.parametrize("replace", [False, True])
def test_days_count_once(path, start, end, replace):
    put(path, [JULY])
    with pytest.raises(LedgerRefused) as caught:
        put(path, [WATER, booked("electricity", start, end, 5, row=9)], replace=replace)
    assert caught.value.code == "store.ledger_overlap"
    assert (caught.value.data["row"], caught.value.data["other_start"]) == (9, "2015-07-01")
    assert len(rows_of(path, schema.ledger)) == 1
    assert len(rows_of(path, schema.imports)) == 1


def test_everything_that_contradicts_is_told_in_both_languages(path):
    put(path, [JULY, AUGUST])
    long = booked("electricity", "2015-08-31", "2015-09-30", 7, row=8)
    with pytest.raises(LedgerRefused) as caught:
        put(path, [CHANGED, long])
    assert [problem.code for problem in caught.value.problems] == [
        "store.ledger_changed",
        "store.ledger_overlap",
    ]
    for problem in caught.value.problems:
        for language in LANGUAGES:
            assert "base.csv" in say(problem.code, language, **problem.data)


def test_rows_of_one_file_may_not_share_days_either(path):
    with pytest.raises(LedgerRefused):
        put(path, [JULY, booked("electricity", "2015-07-31", "2015-08-15", 5, row=3)])
    assert ledger_of(path) == []


def test_neighbours_other_subjects_and_other_sites_do_not_collide(path):
    put(path, [JULY])
    june = booked("electricity", "2015-06-01", "2015-06-30", 1)
    main = booked("main", "2015-07-01", "2015-07-31", 1)
    assert put(path, [june, AUGUST, main]).added == 3
    with writing(path) as engine:
        outcome = import_ledger(engine, "annex", [JULY], kind="base", file_name="", sha256="", at_ms=0)
    assert outcome.added == 1


def test_a_failure_in_the_middle_leaves_nothing(path):
    """Fail at the first move of the bar, when the first rows are already written."""

    def stop(_rows):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        put(path, [JULY, AUGUST], progress=stop)
    assert rows_of(path, schema.ledger) == []
    assert rows_of(path, schema.imports) == []


def test_progress_reaches_every_row(path):
    put(path, [JULY])
    moves = []
    rows = [booked("main", f"{year}-01-01", f"{year}-12-31", year) for year in range(1990, 2100)]
    put(path, [JULY, *rows, CHANGED_WATER], progress=moves.append)
    put(
        path, [booked("water", "2015-01-01", "2015-12-31", 6, unit="m3")], replace=True, progress=moves.append
    )
    assert sum(moves) == 1 + len(rows) + 1 + 1


CHANGED_WATER = booked("water", "2015-01-01", "2015-12-31", 5, unit="m3")


def test_a_store_in_use_is_left_alone(path):
    lock = WriterLock(path)
    lock.acquire()
    with pytest.raises(StoreError) as caught:
        put(path, [JULY])
    lock.release()
    assert caught.value.code == "store.in_use"
    assert not path.exists()


def test_a_folder_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError) as caught:
        put(tmp_path / "file" / "energy.db", [JULY])
    assert caught.value.code == "store.unusable"


def reasons_of(path, first="2017-07-01", last="2017-12-31"):
    reader = StoreReader.open(path, SITE)
    texts = reader.reasons("water", date.fromisoformat(first), date.fromisoformat(last))
    reader.close()
    return texts


def test_reasons_keep_the_order_of_the_file_and_are_taken_once(path):
    first = reason("water", "2017-07-01", "2017-12-31", "府外遷回人力")
    second = reason("water", "2017-07-01", "2017-12-31", "禁用一次性餐具")
    third = reason("water", "2017-07-01", "2017-12-31", "衛生紙丟馬桶")
    assert put_reasons(path, second, first) == ImportOutcome(added=2, unchanged=0, replaced=0)
    assert put_reasons(path, second, first) == ImportOutcome(added=0, unchanged=2, replaced=0)
    assert put_reasons(path, first, third) == ImportOutcome(added=1, unchanged=1, replaced=0)
    assert reasons_of(path) == [second.reason, first.reason, third.reason]
    assert len(rows_of(path, schema.imports)) == 2
    outcome = put_reasons(path, third, first, replace=True)
    assert outcome == ImportOutcome(added=0, unchanged=2, replaced=1)
    assert reasons_of(path) == [third.reason, first.reason]


def test_reasons_belong_to_their_period_and_subject(path):
    july = reason("water", "2017-07-01", "2017-07-31", "漏水")
    half = reason("water", "2017-07-01", "2017-12-31", "人力增加")
    fuel = reason("vehicle_fuel", "2017-07-01", "2017-12-31", "世大運")
    put_reasons(path, half, july, fuel)
    assert reasons_of(path) == [july.reason, half.reason]
    assert reasons_of(path, "2017-07-01", "2017-07-31") == [july.reason]
    assert reasons_of(path, "2017-08-01", "2017-12-31") == []
