"""Wrong use of ``import`` and ``report``: words with the cure, the right exit code, and nothing lost."""

import hashlib
import shutil
import threading
from pathlib import Path

import pytest
from sqlalchemy import select

from config.words import LANGUAGES
from monitor.cli.importing import run_import
from monitor.cli.report import run_report
from monitor.store import schema
from monitor.store.database import WriterLock, open_reader

EXAMPLE = Path(__file__).parents[2] / "examples" / "taipei-city-hall"
HEADING = "commodity,start,end,quantity,unit,source\n"
GOOD = "electricity,2015-07-01,2015-12-31,12572309,kWh,bill\n"


@pytest.fixture
def site(tmp_path):
    shutil.copy(EXAMPLE / "site.yaml", tmp_path)
    return tmp_path / "site.yaml"


def ledger(site, name, *rows):
    path = site.with_name(name)
    path.write_text(HEADING + "".join(rows), encoding="utf-8")
    return path


def standing(site):
    path = site.parent / "data" / "energy.db"
    if not path.exists():
        return []
    engine = open_reader(path)
    with engine.connect() as connection:
        rows = connection.execute(select(schema.ledger)).mappings().all()
    engine.dispose()
    return [(row["subject"], row["start_day"], row["quantity"]) for row in rows]


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_bad_row_in_any_file_imports_nothing(site, capsys, language):
    good = ledger(site, "good.csv", GOOD)
    bad = ledger(site, "bad.csv", GOOD, "water,2016-07-01,2016-12-31,86 438,kg,bill\n")
    assert run_import(site, "base", [good, bad], language=language) == 1
    told = capsys.readouterr()
    assert "bad.csv:3:" in told.err
    assert "quantity" in told.err
    assert "unit" in told.err
    assert told.out == ""
    assert standing(site) == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_changed_figure_is_refused_until_asked_for(site, capsys, language):
    assert run_import(site, "base", [ledger(site, "base.csv", GOOD)], language=language) == 0
    changed = ledger(site, "new.csv", GOOD.replace("12572309", "12572310"))
    capsys.readouterr()
    assert run_import(site, "base", [changed], language=language) == 1
    told = capsys.readouterr().err
    assert "12572309" in told
    assert "12572310" in told
    assert "--replace" in told
    assert standing(site) == [("electricity", "2015-07-01", 12572309)]
    assert run_import(site, "base", [changed], replace=True, language=language) == 0
    assert standing(site) == [("electricity", "2015-07-01", 12572310)]


def test_the_record_of_an_import_leads_to_the_file(site):
    path = ledger(site, "base.csv", GOOD)
    assert run_import(site, "base", [path]) == 0
    engine = open_reader(site.parent / "data" / "energy.db")
    with engine.connect() as connection:
        (record,) = connection.execute(select(schema.imports)).mappings().all()
    engine.dispose()
    assert record["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert (record["site"], record["kind"], record["rows"]) == ("taipei-city-hall", "base", 1)


def test_a_store_that_another_writes_to_is_left_alone(site, capsys):
    store = site.parent / "data" / "energy.db"
    store.parent.mkdir()
    lock = WriterLock(store)
    lock.acquire()
    file = ledger(site, "base.csv", GOOD)
    assert run_import(site, "base", [file], language="en", answer_within_s=0.5) == 1
    assert "writes to this store" in capsys.readouterr().err

    # It ends without an answer: the next import carries out what waits, its own and the one before.
    releasing = threading.Timer(0.5, lock.release)
    releasing.start()
    assert run_import(site, "base", [file], language="en", answer_within_s=90) == 0
    releasing.join()
    assert "nothing new" in capsys.readouterr().out


@pytest.mark.parametrize("language", LANGUAGES)
def test_wrong_use_is_told(site, capsys, language):
    assert run_import(site.with_name("none.yaml"), "base", [site], language=language) == 2
    assert run_import(site, "base", [site.with_name("none.csv")], language=language) == 1
    assert run_report(site, "2017H3", language=language) == 2
    assert run_report(site, "1900", language=language) == 2
    assert run_report(site.with_name("none.yaml"), "2017H2", language=language) == 2
    assert run_report(site, "2017H2", language=language) == 1  # there is no store yet
    told = capsys.readouterr()
    assert told.out == ""
    assert "Traceback" not in told.err
    for word in ("none.yaml", "none.csv", "2017H3", "1912", "energy.db"):
        assert word in told.err


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_cure_of_a_wrong_ledger_is_not_that_of_a_wrong_site_file(site, capsys, language):
    for path in (site.with_name("none.csv"), site.parent):
        assert run_import(site, "base", [path], language=language) == 1
        told = capsys.readouterr().err
        assert str(path) in told
        assert not any(word in told for word in ("--site", "site file", "場所設定檔"))
    for path in (site.with_name("none.yaml"), site.parent):
        assert run_import(path, "base", [site], language=language) == 2
        told = capsys.readouterr().err
        assert any(word in told for word in ("--site", "site file", "場所設定檔"))


def test_a_report_goes_to_a_file_or_says_why_not(site, capsys, tmp_path):
    assert run_import(site, "base", [ledger(site, "base.csv", GOOD)]) == 0
    capsys.readouterr()
    assert run_report(site, "2015H2", "text", "en", tmp_path / "r.txt") == 0
    assert "12,572,309 kWh" in (tmp_path / "r.txt").read_text("utf-8")
    assert capsys.readouterr().out == ""
    assert run_report(site, "2015H2", "text", "en", tmp_path / "nowhere" / "r.txt") == 1
    assert "nowhere" in capsys.readouterr().err
