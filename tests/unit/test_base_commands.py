"""``energy-monitor base`` and ``adjust`` as they are typed, on the golden case, in both languages."""

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from monitor.cli.adjusting import Said, run_add, run_list, run_withdraw
from monitor.cli.base import run_lock
from monitor.cli.base_views import run_show, run_verify
from monitor.cli.importing import run_import
from monitor.cli.report import run_report
from rules.adjustments import Book

EXAMPLE = Path(__file__).parents[2] / "examples" / "taipei-city-hall"
GOLDEN = Path(__file__).parents[1] / "golden" / "expected"
HEADING = "commodity,start,end,quantity,unit,uncertainty,per,reason,evidence,author,text_zh_tw,text_en\n"


@pytest.fixture
def site(tmp_path, capsys):
    shutil.copy(EXAMPLE / "site.yaml", tmp_path)
    kinds = {"base": "base-year", "actuals": "actuals", "reasons": "reasons", "settlements": "settlements"}
    for kind, name in kinds.items():
        assert run_import(tmp_path / "site.yaml", kind, [EXAMPLE / f"{name}.csv"], language="en") == 0
    capsys.readouterr()
    return tmp_path / "site.yaml"


def locked(site, capsys):
    assert run_lock(site, "electricity", "2015H2", "en", despite_gaps=False) == 0
    return capsys.readouterr().out


def event(**other):
    facts = {
        "book": Book.NON_ROUTINE, "commodity": "electricity", "start": "2017-08-19", "end": "2017-08-30",
        "quantity": "12000", "uncertainty": "2400", "reason": "Universiade", "evidence": "letter",
        "author": "Lin",
    }  # fmt: skip
    return Said(**{**facts, **other})


def test_a_report_says_beside_itself_that_its_base_years_are_not_locked(site, capsys):
    assert run_report(site, "2017H2", "text", "en") == 0
    told = capsys.readouterr()
    assert told.out == (GOLDEN / "2017H2.en.txt").read_text("utf-8")
    assert told.err.count("is not locked for") == 3


def test_a_report_from_a_locked_and_adjusted_base_year_says_so(site, capsys):
    sha256 = locked(site, capsys).rpartition(" ")[2].rstrip(".\n")
    said = event(book=Book.BASE, start="2015-08-01", end="2015-08-31", quantity="-1200", uncertainty="0")
    assert run_add(site, said, "en") == 0
    assert run_report(site, "2017H2", "text", "en") == 0
    told = capsys.readouterr()
    text = " ".join(told.out.split())
    assert f"for 2015-07-01 to 2015-12-31, SHA-256 {sha256}." in text
    assert "-1,200 kWh for 2015-08-01 to 2015-08-31 by adjustment no. 1 of the locked base year" in text
    assert "against 12,571,109 kWh in the same period of 2015: a decrease of 39,436 kWh (0.31%)." in text
    assert told.err.count("is not locked for") == 2
    assert run_report(site, "2017H2", "json", "zh-TW") == 0
    data = json.loads(capsys.readouterr().out)
    assert [note["code"] for note in data["notes"]] == ["base_locked", "base_adjusted"]
    assert data["savings"][0]["base"] == 12571109


def test_locking_tells_what_is_in_the_way_and_goes_on(site, capsys):
    assert run_lock(site, None, None, "en", despite_gaps=False) == 1
    assert capsys.readouterr().err.count("Nothing was locked.") == 3
    assert "12,572,309 kWh" not in locked(site, capsys)
    assert run_lock(site, "用電", "2015H2", "zh-TW", despite_gaps=False) == 0
    assert "先前已鎖定" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("commodity", "period", "words"),
    [
        ("electrcity", None, "did you mean 'electricity'"),
        ("electricity", "2016H2", "does not lie in its base year 2015"),
        ("electricity", "soon", "is not a period"),
    ],
)
def test_what_is_no_base_period_is_wrong_use(site, capsys, commodity, period, words):
    assert run_lock(site, commodity, period, "en", despite_gaps=False) == 2
    assert words in capsys.readouterr().err
    assert run_show(site, commodity, period, "en", rows=False, as_json=False) == 2


def test_show_tells_rows_hash_and_findings(site, capsys):
    assert run_show(site, "electricity", None, "en", rows=False, as_json=False) == 0
    told = capsys.readouterr().out
    assert "Not locked." in told
    assert "Nobody answers for 2015-01-01 to 2015-06-30 (181 days)." in told
    locked(site, capsys)
    assert run_show(site, "electricity", None, "zh-TW", rows=True, as_json=False) == 0
    told = capsys.readouterr().out
    assert "鎖定：共 1 列" in told
    assert "12,572,309 kWh" in told
    assert run_show(site, None, None, "en", rows=False, as_json=True) == 0
    states = json.loads(capsys.readouterr().out)
    assert [one["locked"] is not None for one in states] == [True, False, False]
    assert (states[0]["holds"], states[0]["quantity"], states[0]["findings"]) == (True, 12572309, [])
    assert [row["quantity"] for row in states[0]["rows"]] == [12572309]


def test_a_band_stands_where_there_is_one_and_its_heading_is_not_torn(site, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    locked(site, capsys)
    said = event(book=Book.BASE, start="2015-08-01", end="2015-08-31", quantity="-1200", uncertainty="0")
    assert run_add(site, said, "en") == 0
    assert run_show(site, "electricity", None, "en", rows=False, as_json=False) == 0
    told = capsys.readouterr().out
    assert "-1,200" in told
    assert "±" not in told
    assert "90" not in told.partition("Evidence")[0].splitlines()[-1]
    assert run_add(site, event(), "en") == 0
    assert run_list(site, None, None, "en", as_json=False) == 0
    told = capsys.readouterr().out
    assert "±" in told
    assert "(90%)" in told


def test_verify_tells_by_row_what_differs(site, capsys):
    assert run_verify(site, None, "en", as_json=False) == 0
    assert "No base period is locked." in capsys.readouterr().out
    locked(site, capsys)
    assert run_verify(site, "electricity", "en", as_json=False) == 0
    assert "is as it was locked, 1 row, SHA-256" in capsys.readouterr().out
    with closing(sqlite3.connect(site.parent / "data" / "energy.db")) as raw, raw:
        raw.execute(
            "UPDATE ledger SET quantity = 1 WHERE start_day = '2015-07-01' AND subject = 'electricity'"
        )
    assert run_verify(site, None, "en", as_json=False) == 1
    assert "locked as 12,572,309 kWh, now 1 kWh" in capsys.readouterr().out
    assert run_verify(site, None, "zh-TW", as_json=True) == 1
    (state,) = json.loads(capsys.readouterr().out)
    assert state["differences"][0]["found"]["quantity"] == 1
    assert run_verify(site, "gas", "en", as_json=False) == 2


def test_an_import_over_a_locked_base_year_is_refused_in_words(site, capsys):
    locked(site, capsys)
    changed = site.parent / "again.csv"
    changed.write_text(
        (EXAMPLE / "base-year.csv").read_text("utf-8").replace("12572309", "13000000"), "utf-8"
    )
    assert run_import(site, "base", [changed], replace=True, language="en") == 1
    assert "row 2: electricity: this would change the base year 2015" in capsys.readouterr().err
    assert run_import(site, "base", [EXAMPLE / "base-year.csv"], replace=True, language="en") == 0


def test_events_are_written_listed_and_withdrawn(site, capsys):
    assert run_list(site, None, None, "en", as_json=False) == 0
    assert "No event is written down." in capsys.readouterr().out
    assert run_add(site, event(), "en") == 0
    assert run_add(site, event(), "en") == 0
    staff = event(
        commodity="water", start="2017-03-01", end=None, quantity="9", uncertainty="2", per_day=True
    )
    assert run_add(site, staff, "en") == 0
    told = capsys.readouterr().out
    assert "+12,000 kWh is written down" in told
    assert "stands already" in told
    assert run_list(site, None, "2017-08-20/2017-08-31", "en", as_json=False) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "Electricity, 2017-08-20/2017-08-31: +11,000 ± 2,200 kWh (90 %" in told
    assert "Water, 2017-08-20/2017-08-31: +108 ± 24 m3" in told
    assert "No. 1 lies only partly in the period: 11 of its days count" in told
    assert run_withdraw(site, Book.NON_ROUTINE, 1, "counted twice", "zh-TW") == 0
    assert run_withdraw(site, Book.NON_ROUTINE, 1, "counted twice", "zh-TW") == 0
    assert "先前已撤回" in capsys.readouterr().out
    assert run_list(site, "electricity", "2017H2", "en", as_json=True) == 0
    (one,) = json.loads(capsys.readouterr().out)
    assert (one["withdrawn"], one["in_period"]["quantity"]) == ("counted twice", 0)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"quantity": "12,000"}, "--quantity: '12,000' has thousands separators"),
        ({"quantity": "nan"}, "--quantity: 'nan' is not a quantity"),
        ({"uncertainty": "-1"}, "--uncertainty: -1: a band is not below zero"),
        ({"start": "19 August"}, "--start: '19 August' is not a date"),
        ({"end": "2017-08-01"}, "--end: the last day 2017-08-01 lies before the first day 2017-08-19"),
        ({"end": None}, "--end: a last day is missing"),
        ({"evidence": " "}, "--evidence: 'evidence' is empty"),
        ({"commodity": "gas"}, "The site answers for no commodity 'gas'"),
    ],
)
def test_what_cannot_be_an_event_is_wrong_use_and_writes_nothing(site, capsys, wrong, words):
    assert run_add(site, event(**wrong), "en") == 2
    assert words in capsys.readouterr().err
    assert run_list(site, None, None, "en", as_json=True) == 0
    assert json.loads(capsys.readouterr().out) == []


def test_wrong_use_of_the_other_commands(site, capsys):
    assert run_withdraw(site, Book.NON_ROUTINE, 1, " ", "en") == 2
    assert run_withdraw(site, Book.NON_ROUTINE, 1, "x", "en") == 1
    assert run_list(site, "gas", None, "en", as_json=False) == 2
    assert run_list(site, None, "soon", "en", as_json=False) == 2
    said = event(book=Book.BASE, start="2015-08-01", end="2015-08-31")
    assert run_add(site, said, "en") == 1
    assert "in a locked base period" in capsys.readouterr().err


def test_events_come_from_a_file(site, capsys):
    file = site.parent / "events.csv"
    rows = (
        "water,2017-03-01,,9,m3,2,day,300 more staff,payroll,Lin,增加300人,300 more staff\n"
        "electricity,2017-08-19,2017-08-30,-12,MWh,2.4,event,Universiade,letter,Lin,,\n"
    )
    file.write_text(HEADING + rows, "utf-8")
    assert run_import(site, "adjustments", [file], language="en") == 0
    assert "2 added, 0 unchanged" in capsys.readouterr().out
    assert run_import(site, "adjustments", [file], language="en") == 0
    assert "nothing new" in capsys.readouterr().out
    assert run_list(site, None, None, "zh-TW", as_json=True) == 0
    water, power = json.loads(capsys.readouterr().out)
    assert (water["end"], water["per"], water["text"]) == (None, "day", "增加300人")
    assert (power["quantity"], power["unit"], power["uncertainty"], power["text"]) == (
        -12000, "kWh", 2400, "Universiade",
    )  # fmt: skip


def test_a_wrong_file_of_events_is_refused_whole_with_every_place(site, capsys):
    file = site.parent / "events.csv"
    rows = (
        "water,2017-03-01,,9,m3,2,day,300 more staff,payroll,Lin,,\n"
        "water,2017-03-01,,9,m3,2,week,300 more staff,payroll,Lin,,\n"
        "water,2017-03-01,,9,m3,2,event,300 more staff,payroll,Lin,,\n"
        "water,2017-03-01,2017-02-30,9,m3,2,event,300 more staff,payroll,Lin,,\n"
        "water,2017-03-01,,nine,m3,2,day,300 more staff,payroll,Lin,,\n"
        "water,2017-03-01,,9,m3,-2,day,300 more staff,payroll,Lin,,\n"
        "water,2017-03-01,,9,m3,2,day,,payroll,Lin,,\n"
        "gas,2017-03-01,,9,m3,2,,300 more staff,payroll,Lin,,\n"
    )
    file.write_text(HEADING + rows, "utf-8")
    assert run_import(site, "adjustments", [file], language="en") == 1
    told = capsys.readouterr().err
    for words in (
        "events.csv:3:", "'week' is no way to tell", "There is: event, day", "a last day is missing",
        "the calendar has no 2017-02-30", "'nine' is not a number", "a band is not below zero",
        "'reason' is empty", "there is no commodity 'gas'", "'per' is empty",
    ):  # fmt: skip
        assert words in told
    assert run_list(site, None, None, "en", as_json=True) == 0
    assert json.loads(capsys.readouterr().out) == []
