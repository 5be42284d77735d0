"""The log: slips that add up by day, readings that do not go back, what cannot be, and corrections."""

import json
import sqlite3
from contextlib import closing
from datetime import date
from pathlib import Path

import pytest

from config.loading import load_site
from config.plausible import plausible_of
from config.problems import ConfigurationError
from monitor.cli.audit import AuditWish, run_audit
from monitor.cli.importing import run_import
from monitor.cli.log_commands import logs
from monitor.cli.logbook import Figures, run_add, run_correct, run_key, run_list
from monitor.cli.report import run_report
from monitor.keys import fits, new_key
from monitor.store.database import StoreError
from monitor.store.ledgers import writing
from monitor.store.reader import StoreReader
from monitor.store.requests import RequestBox
from monitor.store.slips import CorrectRequest, LogRequest, correct_figure, log_figure
from rules.logs import Plausible, implausible

EXAMPLE = Path(__file__).parents[2] / "examples" / "taipei-city-hall"
DAY = date(2018, 1, 5)
SLIP = LogRequest("quantity", "vehicle_fuel", DAY, DAY, 45.2, "L", "slip 12", "ann", "command", 7)
LEDGER = "commodity,start,end,quantity,unit,source\n"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "energy.db"


@pytest.fixture
def store(path):
    with writing(path) as engine:
        yield engine


@pytest.fixture
def site(tmp_path):
    text = (EXAMPLE / "site.yaml").read_text("utf-8")
    told = text.replace(
        "{base_year: 2015} ", "{base_year: 2015, plausible: {most_a_day: 400, least_a_day: 1}} "
    )
    assert told != text
    (tmp_path / "site.yaml").write_text(told, "utf-8")
    return tmp_path / "site.yaml"


def slip(**other):
    return LogRequest(**{**{name: getattr(SLIP, name) for name in SLIP.__dataclass_fields__}, **other})


def fix(kind="quantity", entry=0, figure=46.0, start=DAY, subject="vehicle_fuel"):
    return CorrectRequest(kind, subject, start, entry, figure, "smudged", "ann", "command", 9)


def refusal(call):
    with pytest.raises(StoreError) as error:
        call()
    return error.value.code


def booked(path):
    with closing(sqlite3.connect(path)) as raw:
        return raw.execute("SELECT subject, start_day, end_day, quantity, source FROM ledger").fetchall()


def test_slips_of_one_day_add_up_as_people_add(store, path):
    assert log_figure(store, "hall", SLIP).figure == 45.2
    second = log_figure(store, "hall", slip(figure=0.1, source="slip 13", at_ms=8))
    assert (second.added, second.entry, second.figure) == (True, 2, 45.3)
    assert booked(path) == [("vehicle_fuel", "2018-01-05", "2018-01-05", 45.3, "slip 12; slip 13")]
    for number in range(7):
        log_figure(store, "hall", slip(figure=1.0, source=f"more {number}", at_ms=20 + number))
    assert booked(path)[0][3:] == (52.3, "slip 12; slip 13; more 0; more 1; more 2; more 3 +3")


def test_a_request_that_was_carried_out_and_not_answered_counts_once(store, path):
    box = RequestBox(path)
    number = box.put(SLIP)
    assert box.take_up(store, "hall") == 1
    assert box.answer_to(number).added
    assert not log_figure(store, "hall", SLIP).added
    assert booked(path)[0][3] == 45.2
    box.close()


def test_a_slip_that_is_typed_twice_counts_once_until_it_is_said_to_be_another(store, path):
    log_figure(store, "hall", SLIP)
    assert refusal(lambda: log_figure(store, "hall", slip(at_ms=8, who="ben"))) == "store.log_twice"
    assert booked(path)[0][3] == 45.2
    another = slip(at_ms=9, again=True)
    assert log_figure(store, "hall", another).figure == 90.4
    assert not log_figure(store, "hall", another).added
    assert booked(path)[0][3] == 90.4
    for number, other in enumerate(({"figure": 45.3}, {"source": "slip 13"})):
        assert log_figure(store, "hall", slip(at_ms=20 + number, **other)).added


def test_a_request_of_before_is_carried_out_again_after_its_slip_was_corrected(store, path):
    log_figure(store, "hall", SLIP)
    correct_figure(store, "hall", fix(entry=1))
    assert not log_figure(store, "hall", SLIP).added
    assert booked(path)[0][3] == 46.0


def test_a_slip_shares_no_day_with_a_bill(store, path):
    month = slip(start=date(2018, 1, 1), end=date(2018, 1, 31), source="bill")
    log_figure(store, "hall", month)
    assert refusal(lambda: log_figure(store, "hall", SLIP)) == "store.log_booked"
    assert len(booked(path)) == 1


def test_what_cannot_be_is_not_written(store, path):
    limits = Plausible(1.0, 50.0)
    assert log_figure(store, "hall", slip(limits=limits)).added
    more = slip(figure=5.0, source="slip 13", at_ms=8, limits=limits)
    assert refusal(lambda: log_figure(store, "hall", more)) == "store.implausible_more"
    assert booked(path)[0][3] == 45.2
    less = slip(start=date(2018, 2, 1), end=date(2018, 2, 28), at_ms=9, limits=limits)
    assert log_figure(store, "hall", less).added
    less = slip(start=date(2018, 3, 1), end=date(2018, 5, 31), at_ms=9, limits=limits)
    assert refusal(lambda: log_figure(store, "hall", less)) == "store.implausible_less"


@pytest.mark.parametrize(
    ("quantity", "days", "limit"),
    [(100.0, 2, None), (100.2, 2, 50.0), (1.9, 2, 1.0), (2.0, 2, None)],
)
def test_limits_hold_themselves(quantity, days, limit):
    assert implausible(quantity, days, Plausible(1.0, 50.0)) == limit
    assert implausible(quantity, days, None) is None


def test_a_register_does_not_go_back_and_does_not_run(store):
    first = slip(kind="reading", subject="water", unit="m3", figure=100.0, source="Wang")
    assert log_figure(store, "hall", first).added
    assert not log_figure(store, "hall", first).added
    later = slip(kind="reading", subject="water", unit="m3", figure=90.0, start=date(2018, 1, 15), source="W")
    assert refusal(lambda: log_figure(store, "hall", later)) == "store.reading_back"
    running = slip(
        kind="reading", subject="water", unit="m3", figure=200.0, start=date(2018, 1, 15), source="W",
        limits=Plausible(0.0, 9.0),
    )  # fmt: skip
    assert refusal(lambda: log_figure(store, "hall", running)) == "store.implausible_more"
    assert log_figure(store, "hall", slip(**{**_fields(running), "figure": 190.0})).added
    again = slip(**{**_fields(running), "figure": 180.0})
    assert refusal(lambda: log_figure(store, "hall", again)) == "store.reading_changed"


def _fields(request):
    return {name: getattr(request, name) for name in request.__dataclass_fields__}


def test_a_correction_keeps_what_it_corrects(store, path):
    log_figure(store, "hall", SLIP)
    log_figure(store, "hall", slip(figure=10.0, source="slip 13", at_ms=8))
    assert refusal(lambda: correct_figure(store, "hall", fix())) == "store.log_several"
    done = correct_figure(store, "hall", fix(entry=1))
    assert (done.added, done.entry, done.figure, done.old) == (True, 1, 56.0, 45.2)
    assert not correct_figure(store, "hall", fix(entry=1)).added
    assert refusal(lambda: correct_figure(store, "hall", fix(entry=9))) == "store.log_no_row"
    reader = StoreReader.open(path, "hall")
    (kept,) = reader.logbook.corrections("vehicle_fuel")
    assert (kept.what, kept.old, kept.new, kept.reason, kept.who) == ("slip", 45.2, 46.0, "smudged", "ann")
    assert [row["action"] for row in reader.deliveries.audit()] == ["log.correct", "log.add", "log.add"]
    assert [row.figure for row in reader.logbook.rows("vehicle_fuel") if row.kind == "slip"] == [10.0, 46.0]
    assert reader.logbook.corrections("water") == []
    reader.close()


def test_bills_and_readings_are_corrected_too(store, path):
    reading = slip(kind="reading", subject="water", unit="m3", figure=100.0, source="Wang")
    log_figure(store, "hall", reading)
    assert correct_figure(store, "hall", fix("reading", figure=99.0, subject="water")).old == 100.0
    reader = StoreReader.open(path, "hall")
    assert [row["action"] for row in reader.deliveries.audit()] == ["log.correct", "log.add"]
    reader.close()
    assert refusal(lambda: correct_figure(store, "hall", fix("reading"))) == "store.log_no_reading"
    assert refusal(lambda: correct_figure(store, "hall", fix())) == "store.log_no_row"


def test_an_import_that_replaces_keeps_what_it_replaces(site, capsys):
    file = site.parent / "fuel.csv"
    file.write_text(LEDGER + "vehicle_fuel,2018-01-01,2018-01-31,900,L,bill\n", "utf-8")
    assert run_import(site, "actuals", [file], language="en") == 0
    file.write_text(LEDGER + "vehicle_fuel,2018-01-01,2018-01-31,910,L,bill\n", "utf-8")
    assert run_import(site, "actuals", [file], replace=True, language="en") == 0
    figures = Figures("2018-01-01", "905", None, "", "")
    assert run_correct(site, "vehicle_fuel", figures, 0, "as the tank says", "en") == 0
    assert "905 L takes the place of 910" in capsys.readouterr().out
    assert run_list(site, "vehicle_fuel", 40, "en", as_json=True) == 0
    facts = json.loads(capsys.readouterr().out)
    assert [(one["old"], one["new"]) for one in facts["corrections"]] == [(910, 905), (900, 910)]
    assert facts["corrections"][1]["reason"] == str(file)
    assert [row["figure"] for row in facts["rows"]] == [905]
    assert run_audit(site, AuditWish(what="log"), "en", as_json=True) == 0
    told = [one["detail"] for one in json.loads(capsys.readouterr().out) if one["action"] == "log.correct"]
    assert [(one["old"], one["new"], one["reason"]) for one in told] == [
        (900, 910, str(file)),
        (910, 905, "as the tank says"),
    ]


def test_a_file_with_what_cannot_be_is_refused_by_row(site, capsys):
    file = site.parent / "fuel.csv"
    rows = "vehicle_fuel,2018-01-01,2018-01-31,900,L,a\nvehicle_fuel,2018-02-01,2018-02-28,91000,L,b\n"
    file.write_text(LEDGER + rows, "utf-8")
    assert run_import(site, "actuals", [file], language="en") == 1
    assert (
        "row 3: vehicle_fuel: 3,250 L a day from 2018-02-01 to 2018-02-28 is more" in capsys.readouterr().err
    )
    readings = site.parent / "readings.csv"
    heading = "meter,day,reading,unit,source\n"
    readings.write_text(heading + "water-main,2018-01-01,0,m3,x\nwater-main,2018-01-02,7300,m3,x\n", "utf-8")
    assert run_import(site, "readings", [readings], language="en") == 1
    assert (
        "7,300 m3 a day from 2018-01-01 to 2018-01-01 is more than can be (7,200)" in capsys.readouterr().err
    )


def test_what_the_site_file_says_of_what_can_be(site):
    known = plausible_of(load_site(site).site)
    assert known["vehicle_fuel"] == Plausible(1.0, 400.0)
    assert known["water-main"] == Plausible(0.0, 7200.0)
    assert "water" not in known


def test_the_command_writes_and_lists(site, capsys):
    assert run_add(site, "vehicle_fuel", Figures("2018-01-05", "0.0452", None, "", "m3"), "slip 1", "en") == 0
    assert run_add(site, "water", Figures("2018-01-05", None, "100", "", ""), "Wang", "zh-TW") == 0
    told = capsys.readouterr().out
    assert "slip no. 1, 45.2 L; the day has 45.2 L" in told
    assert "已記錄讀數 100 m3" in told
    assert run_list(site, None, 40, "zh-TW", as_json=False) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "單據 1" in told
    assert "45.2 L" in told
    assert run_add(site, "water", Figures("2018-02-05", None, "90", "", ""), "Wang", "en") == 1
    assert "With this figure the register of water would go back" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("language", "words", "cure"),
    [("en", "a slip of 45.2 L from slip 1 stands already, no. 1", "--again"), ("zh-TW", "編號 1", "--again")],
)
def test_the_command_typed_twice_is_told_how_to_say_that_it_is_another(site, capsys, language, words, cure):
    figures = Figures("2018-01-05", "45.2", None, "", "")
    assert run_add(site, "vehicle_fuel", figures, "slip 1", "en") == 0
    assert run_add(site, "vehicle_fuel", figures, "slip 1", language) == 1
    told = capsys.readouterr().err
    assert words in told
    assert cure in told
    assert run_add(site, "vehicle_fuel", figures, "slip 1", "en", again=True) == 0
    assert "the day has 90.4 L" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("subject", "figures", "source", "words"),
    [
        ("fuel", Figures("2018-01-05", "1", None, "", ""), "s", "no commodity and no meter"),
        ("vehicle_fuel", Figures("2018-01-05", "1", "1", "", ""), "s", "Give one figure"),
        ("vehicle_fuel", Figures("2018-01-05", None, None, "", ""), "s", "Give one figure"),
        ("vehicle_fuel", Figures("yesterday", "1", None, "", ""), "s", "--day: 'yesterday' is not a date"),
        ("vehicle_fuel", Figures("2999-01-05", "1", None, "", ""), "s", "--day: 2999-01-05 lies outside"),
        ("vehicle_fuel", Figures("2099-01-05", "1", None, "", ""), "s", "is not there yet"),
        ("vehicle_fuel", Figures("2018-01-05", "1", None, "2018-01-01", ""), "s", "--through: the last day"),
        (
            "vehicle_fuel",
            Figures("2018-01-05", "1,000", None, "", ""),
            "s",
            "--quantity: '1,000' has thousands",
        ),
        ("vehicle_fuel", Figures("2018-01-05", "-4", None, "", ""), "s", "--quantity: -4 is below zero"),
        ("vehicle_fuel", Figures("2018-01-05", "", None, "", ""), "s", "--quantity: '' is not a number"),
        ("vehicle_fuel", Figures("2018-01-05", "4", None, "", "gal"), "s", "--unit: 'gal' does not fit"),
        ("vehicle_fuel", Figures("2018-01-05", "4", None, "", ""), " ", "--source: 'source' is empty"),
    ],
)
def test_what_is_no_entry_is_wrong_use(site, capsys, subject, figures, source, words):
    assert run_add(site, subject, figures, source, "en") == 2
    assert words in capsys.readouterr().err


def test_a_correction_wants_a_reason(site, capsys):
    figures = Figures("2018-01-05", "4", None, "", "")
    assert run_correct(site, "vehicle_fuel", figures, 0, " ", "en") == 2
    assert run_correct(site, "vehicle_fuel", figures, 0, "x", "en") == 1
    assert run_correct(site, "fuel", figures, 0, "x", "en") == 2
    assert run_list(site, "fuel", 4, "en", as_json=False) == 2
    assert "nothing is booked from 2018-01-05 on" in capsys.readouterr().err


def test_a_key_fits_its_own_lock_only(capsys):
    key, known_by = new_key()
    assert fits(known_by, key)
    assert not fits(known_by, key + "x")
    assert not fits("$argon2id$broken", key)
    assert run_key("wang", "en") == 0
    told = capsys.readouterr().out
    assert "- {id: wang, key: '$argon2id$" in told
    assert run_key("Wang Da", "zh-TW") == 2
    assert {one.name for one in logs.registered_commands} == {"add", "correct", "list", "key"}


BY_HAND = """
manual_meters:
  - {id: kiosk, name: {zh-TW: 小吃部, en: Kiosk}, commodity: water, plausible: {most_a_day: 5}}
"""


def test_a_meter_that_only_people_read_is_logged_and_summed_up(site, capsys):
    text = site.read_text("utf-8").replace("meters: [water-main]", "meters: [water-main, kiosk]")
    site.write_text(text + BY_HAND, "utf-8")
    file = site.parent / "main.csv"
    readings = "water-main,2018-01-01,0,m3,x\nwater-main,2018-02-01,310,m3,x\nkiosk,2018-01-01,10,m3,W\n"
    file.write_text("meter,day,reading,unit,source\n" + readings, "utf-8")
    assert run_import(site, "readings", [file], language="en") == 0
    assert run_add(site, "kiosk", Figures("2018-02-01", None, "41", "", ""), "Wang", "en") == 0
    assert run_add(site, "kiosk", Figures("2018-02-02", None, "47", "", ""), "Wang", "en") == 1
    assert "6 m3 a day from 2018-02-01 to 2018-02-01 is more than can be (5)" in capsys.readouterr().err
    assert run_report(site, "2018-01", "json", "en") == 0
    saving = json.loads(capsys.readouterr().out)["savings"][-1]
    assert (saving["commodity"], saving["actual"], saving["coverage"]) == ("water", 341, 1)
    assert {source["subject"] for source in saving["sources"]} == {"water-main", "kiosk"}


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("id: kiosk", "id: main", "config.duplicate_id"),
        ("id: kiosk", "id: water", "config.meter_named_as_commodity"),
    ],
)
def test_a_meter_that_only_people_read_has_a_name_of_its_own(site, old, new, code):
    site.write_text(site.read_text("utf-8") + BY_HAND.replace(old, new), "utf-8")
    with pytest.raises(ConfigurationError) as error:
        load_site(site)
    assert code in [problem.code for problem in error.value.problems]
