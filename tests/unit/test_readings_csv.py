"""Readings of registers from CSV: exact, and refused with everything that speaks against them."""

from datetime import date

import pytest

from config.ledger import ReadingRow, read_readings
from config.problems import ConfigurationError
from config.site import Commodity

HEADING = "meter,day,reading,unit,source\n"
METERS = {"building": Commodity.ELECTRICITY, "water-main": Commodity.WATER}


def write(folder, text):
    path = folder / "readings.csv"
    path.write_text(text, encoding="utf-8")
    return path


def problems_of(folder, text):
    with pytest.raises(ConfigurationError) as caught:
        read_readings(write(folder, text), METERS)
    for problem in caught.value.problems:
        assert problem.render("en")
        assert problem.render("zh-TW")
    return caught.value.problems


def test_readings_of_meters_and_of_a_commodity(tmp_path):
    text = "commodity,meter,day,reading,unit,source\n,water-main,2017-08-01,12400.1,m3,抄表單 8\n"
    text += ",water-main,2017-07-01,12345600,L,抄表單 7\nrainwater,,2017-07-01,0,m3,slip\n"
    text += ",building,2017-07-01,1.2,MWh,slip\n"
    assert read_readings(write(tmp_path, text), METERS) == (
        ReadingRow("water-main", date(2017, 8, 1), 12400.1, "m3", "抄表單 8", 2),
        ReadingRow("water-main", date(2017, 7, 1), 12345.6, "m3", "抄表單 7", 3),
        ReadingRow("rainwater", date(2017, 7, 1), 0.0, "m3", "slip", 4),
        ReadingRow("building", date(2017, 7, 1), 1200.0, "kWh", "slip", 5),
    )


@pytest.mark.parametrize(
    ("row", "code", "column", "words"),
    [
        ("water-mian,2017-07-01,5,m3,s", "unknown_meter", 1, "did you mean 'water-main'?"),
        (",2017-07-01,5,m3,s", "empty", 1, "'meter' is empty"),
        ("water-main,2017/7/1,5,m3,s", "bad_day", 12, "did you mean '2017-07-01'?"),
        ("water-main,2017-06-31,5,m3,s", "no_such_day", 12, "no 2017-06-31"),
        ("water-main,106-07-01,5,m3,s", "bad_day", 12, "did you mean '2017-07-01'?"),
        ("water-main,2017-07-01,inf,m3,s", "not_finite", 23, "'inf'"),
        ("water-main,2017-07-01,nan,m3,s", "not_finite", 23, "of the bill or the register"),
        ("water-main,2017-07-01,12 345,m3,s", "thousands", 23, "did you mean '12345'?"),
        ("water-main,2017-07-01,-5,m3,s", "negative", 23, "below zero"),
        ("water-main,2017-07-01,,m3,s", "empty", 23, "'reading' is empty"),
        ("water-main,2017-07-01,5,kWh,s", "wrong_unit", 25, "There is: m3, L."),
        ("water-main,2017-07-01,5,m3,", "empty", 28, "'source' is empty"),
    ],
)
def test_each_bad_cell_is_named_by_row_and_column(tmp_path, row, code, column, words):
    found = problems_of(tmp_path, HEADING + "building,2015-07-01,1,kWh,a\n" + row + "\n")
    assert [(p.code, p.place.line, p.place.column) for p in found] == [(f"ledger.{code}", 3, column)]
    assert words in found[0].message("en")


def test_a_register_that_goes_back_names_both_rows_whatever_their_order(tmp_path):
    text = HEADING + "water-main,2017-08-01,12400.1,m3,s\nbuilding,2017-07-15,1,kWh,s\n"
    (problem,) = problems_of(tmp_path, text + "water-main,2017-07-01,12500100,L,s\n")
    assert (problem.code, problem.place.line, problem.place.column) == ("ledger.goes_back", 2, 23)
    assert problem.message("en").startswith(
        "row 2 has 12400.1 m3 on 2017-08-01, less than the 12500.1 m3 on 2017-07-01 of row 4 (water-main)"
    )


def test_a_day_has_one_reading(tmp_path):
    text = (
        HEADING + "water-main,2017-07-01,5,m3,s\nbuilding,2017-07-01,5,kWh,s\nwater-main,2017-07-01,5,m3,s\n"
    )
    (problem,) = problems_of(tmp_path, text)
    assert (problem.code, problem.place.line, problem.place.column) == ("ledger.day_twice", 4, 12)
    assert problem.message("en").startswith("row 4 reads water-main on 2017-07-01, and so does row 2")


def test_everything_that_is_wrong_is_told_at_once(tmp_path):
    text = (
        HEADING + "water-main,2017-07-01,9,m3,s\nwater-main,2017-08-01,8,m3,s\nwater-main,2017-08-01,8,m3,s\n"
    )
    found = problems_of(tmp_path, text + "watr-main,2017-13-01,x,m3,\n")
    assert [(p.code.removeprefix("ledger."), p.place.line) for p in found] == [
        ("goes_back", 3), ("day_twice", 4),
        ("unknown_meter", 5), ("no_such_day", 5), ("not_a_number", 5), ("empty", 5),
    ]  # fmt: skip


def test_a_register_may_stand_still(tmp_path):
    text = HEADING + "water-main,2017-07-01,5,m3,s\nwater-main,2017-08-01,5,m3,s\n"
    assert len(read_readings(write(tmp_path, text), METERS)) == 2


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "Its first row is the heading: commodity,day,reading,unit,source."),
        (HEADING, "Add the rows."),
        ("meter,date,reading,unit,source\nx\n", "the column 'day' is missing"),
        ("day,reading,unit,source\nx\n", "Add one of: commodity, meter."),
    ],
)
def test_headings_that_are_not_right(tmp_path, text, words):
    assert any(words in problem.message("en") for problem in problems_of(tmp_path, text))
