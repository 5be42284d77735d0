"""Whoever changes locks or adjustments in the file of the store is found out: the audit has them as well."""

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from config.loading import load_site
from config.words import LANGUAGES
from monitor.cli.adjusting import Said, run_add, run_withdraw
from monitor.cli.base import run_lock
from monitor.cli.base_views import run_show, run_verify
from monitor.cli.importing import run_import
from monitor.cli.report import run_report
from monitor.cli.savings import run_savings
from rules.adjustments import Book

EXAMPLE = Path(__file__).parents[2] / "examples" / "taipei-city-hall"


@pytest.fixture
def site(tmp_path, capsys):
    """A locked base year with an adjustment, and one that was withdrawn; an event of the period."""
    shutil.copy(EXAMPLE / "site.yaml", tmp_path)
    path = tmp_path / "site.yaml"
    for kind, name in (("base", "base-year"), ("actuals", "actuals")):
        assert run_import(path, kind, [EXAMPLE / f"{name}.csv"], language="en") == 0
    assert run_lock(path, "electricity", "2015H2", "en", despite_gaps=False) == 0
    for quantity in ("-1200", "-0", "55.5"):
        assert run_add(path, said(Book.BASE, "2015-08-01", "2015-08-31", quantity, "0"), "en") == 0
    assert run_withdraw(path, Book.BASE, 2, "wrong letter", "en") == 0
    assert run_add(path, said(Book.NON_ROUTINE, "2017-08-19", "2017-08-30", "12000", "2400"), "en") == 0
    capsys.readouterr()
    return path


def said(book, start, end, quantity, uncertainty):
    return Said(book, "electricity", start, end, quantity, uncertainty, "tenant", "letter 3", "Wang")


def changed(site, statement):
    with closing(sqlite3.connect(load_site(site).store_path)) as connection:
        assert connection.execute(statement).rowcount > 0
        connection.commit()


def test_what_was_done_by_the_commands_agrees(site, capsys):
    assert run_verify(site, None, "en", as_json=False) == 0
    assert "audit" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("UPDATE adjustments SET quantity = -900000 WHERE id = 1", "adjustment no. 1 (2015-08-01"),
        ("UPDATE adjustments SET quantity = -900000 WHERE id = 1", "an adjustment of -1,200 kWh"),
        ("UPDATE adjustments SET evidence = 'another letter' WHERE id = 1", "adjustment no. 1 (2015-08-01"),
        ("UPDATE adjustments SET recorded_ms = 1 WHERE id = 1", "adjustment no. 1 (2015-08-01"),
        ("DELETE FROM adjustments WHERE id = 1", "an adjustment of -1,200 kWh for 2015-08-01"),
        ("DELETE FROM adjustments WHERE withdraws = 2", "an adjustment of +0 kWh for 2015-08-01"),
        (
            (
                "INSERT INTO adjustments SELECT 99, site, book, commodity, start_day, end_day, 7.0, unit,"
                " uncertainty, per, reason, evidence, author, text_zh_tw, text_en, recorded_ms, who,"
                " withdraws, import_id FROM adjustments WHERE id = 1"
            ),
            "adjustment no. 99",
        ),
        ("UPDATE base_locks SET locked_ms = 1", "is in no audit"),
        ("DELETE FROM base_locks", "the lock is not there any more"),
    ],
)
def test_a_change_by_hand_is_found_out(site, capsys, statement, words):
    changed(site, statement)
    assert run_verify(site, "electricity", "en", as_json=False) == 1
    told = capsys.readouterr().out
    assert "NOT as it was locked" in told
    assert words in told
    assert "store restore" in told
    assert run_verify(site, None, "zh-TW", as_json=True) == 1
    states = json.loads(capsys.readouterr().out)
    assert [one["holds"] for one in states] == [False]
    assert run_show(site, "electricity", "2015H2", "en", rows=False, as_json=False) == 0
    assert words in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_report_claims_no_hash_that_its_figure_does_not_stand_on(site, capsys, language):
    changed(site, "UPDATE ledger SET quantity = quantity * 1.1 WHERE subject = 'electricity'")
    assert run_report(site, "2017H2", "text", language) == 0
    words = {"en": "andisNOTwhatthisfigurestandson", "zh-TW": "與此數字所依資料不符"}
    assert words[language] in "".join(capsys.readouterr().out.split())
    assert run_report(site, "2017H2", "json", language) == 0
    notes = [one["code"] for one in json.loads(capsys.readouterr().out)["notes"]]
    assert (notes[0], "base_locked" in notes) == ("base_differs", False)
    run_savings(site, "electricity", "2017H2", language)
    told = "".join(capsys.readouterr().out.split())
    assert "[base_differs]" in told
    assert {"en": "isNOTwhatstandsherenow", "zh-TW": "與現存資料不符"}[language] in told


def test_a_report_claims_no_lock_of_other_meters(site, capsys):
    text, line = site.read_text("utf-8"), "  electricity: {base_year: 2015, meters: [main]}\n"
    assert line in text
    assert run_report(site, "2017H2", "json", "en") == 0
    assert "base_locked" in capsys.readouterr().out
    site.write_text(text.replace(line, "  electricity: {base_year: 2015}\n"), "utf-8")
    assert run_report(site, "2017H2", "json", "en") == 0
    assert '"base_differs"' in capsys.readouterr().out
    run_savings(site, "electricity", "2017H2", "en")
    assert "[base_other_meters]" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("language", "words"), [("en", "is the base year that was locked"), ("zh-TW", "鎖定的基期年是2015")]
)
def test_another_base_year_than_the_locked_one_is_told(site, capsys, language, words):
    text, line = site.read_text("utf-8"), "  electricity: {base_year: 2015, meters: [main]}\n"
    assert line in text
    site.write_text(text.replace(line, line.replace("2015", "2014")), "utf-8")
    assert run_report(site, "2017H2", "text", language) == 0
    assert words.replace(" ", "") in "".join(capsys.readouterr().out.split())
    run_savings(site, "electricity", "2017H2", language)
    assert "[base_other_year]" in capsys.readouterr().out


def test_events_of_the_period_are_held_against_the_audit_too(site, capsys):
    changed(site, "UPDATE adjustments SET quantity = 99000 WHERE book = 'non_routine'")
    run_savings(site, "electricity", "2017H2", "en", as_json=True)
    found = json.loads(capsys.readouterr().out)
    told = {one["code"]: one["place"] for one in found["findings"]}
    assert told["agreed_adjustment_unknown"] == told["agreed_adjustment_gone"] == "electricity/period/2017H2"
    assert [one["holds"] for one in found["locks"]] == [True]


@pytest.mark.parametrize(("language", "words"), [("en", "is not locked"), ("zh-TW", "尚未鎖定")])
def test_what_of_the_base_year_is_not_locked_is_told_beside_what_is(site, capsys, language, words):
    run_savings(site, "electricity", "2017H2", language, as_json=True)
    assert json.loads(capsys.readouterr().out)["unlocked"] == [["2015-01-01", "2015-06-30"]]
    run_savings(site, "electricity", "2017H2", language)
    assert words in capsys.readouterr().out
    assert run_import(site, "base", [_first_half(site)], language="en") == 0
    assert run_lock(site, "electricity", "2015H1", "en", despite_gaps=False) == 0
    capsys.readouterr()
    run_savings(site, "electricity", "2017H2", language)
    assert words not in capsys.readouterr().out


def _first_half(site):
    path = site.parent / "first.csv"
    heading = "commodity,start,end,quantity,unit,source\n"
    path.write_text(heading + "electricity,2015-01-01,2015-06-30,10000000,kWh,bill\n", "utf-8")
    return path
