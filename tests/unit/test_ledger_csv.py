"""Ledgers and reasons: what is right is read exactly; one mistake refuses the whole file, with all it has."""

from datetime import date
from pathlib import Path

import pytest

from config.ledger import LedgerRow, ReasonRow, read_ledger, read_reasons
from config.problems import ConfigurationError, Problem
from config.site import Commodity

HEADING = "commodity,start,end,quantity,unit,source\n"
METERS = {"building": Commodity.ELECTRICITY, "water-main": Commodity.WATER}


def write(folder: Path, text: str | bytes) -> Path:
    path = folder / "ledger.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def problems_of(folder: Path, text: str | bytes, reasons: bool = False) -> tuple[Problem, ...]:
    with pytest.raises(ConfigurationError) as caught:
        read_reasons(write(folder, text)) if reasons else read_ledger(write(folder, text), METERS)
    for problem in caught.value.problems:
        assert problem.render("en")
        assert problem.render("zh-TW")
    return caught.value.problems


def test_a_ledger_of_commodities(tmp_path):
    text = HEADING + (
        'electricity,2015-07-01,2015-12-31,12572309,kWh,"council report, section 1"\n'
        "\n"
        "water , 2016-07-01,2016-12-31,86438,m3,帳單\n"
    )
    rows = read_ledger(write(tmp_path, text))
    assert rows == (
        LedgerRow("electricity", date(2015, 7, 1), date(2015, 12, 31), 12572309.0, "kWh",
                  "council report, section 1", 2),
        LedgerRow("water", date(2016, 7, 1), date(2016, 12, 31), 86438.0, "m3", "帳單", 4),
    )  # fmt: skip


def test_a_ledger_of_meters_and_one_of_both(tmp_path):
    text = "meter,start,end,quantity,unit,source\nbuilding,2017-01-01,2017-01-31,5,MWh,bill\n"
    (row,) = read_ledger(write(tmp_path, text), METERS)
    assert (row.subject, row.quantity, row.unit) == ("building", 5000.0, "kWh")
    text = "commodity,meter,start,end,quantity,unit,source\n"
    text += "water,,2017-01-01,2017-01-31,5,m3,bill\n,water-main,2017-01-01,2017-01-31,5,m3,bill\n"
    assert [row.subject for row in read_ledger(write(tmp_path, text), METERS)] == ["water", "water-main"]


@pytest.mark.parametrize("raw", [b"\xef\xbb\xbf%s", b"%s"])
def test_with_and_without_a_mark_and_with_line_ends_of_windows(tmp_path, raw):
    text = (HEADING + "water,2016-07-01,2016-12-31,1.5,m3,b\n").replace("\n", "\r\n").encode()
    assert read_ledger(write(tmp_path, raw % text))[0].quantity == 1.5


@pytest.mark.parametrize(
    ("commodity", "quantity", "unit", "kept", "kept_unit"),
    [
        ("electricity", "1234567", "Wh", 1234.567, "kWh"),
        ("electricity", "0.3", "MWh", 300.0, "kWh"),
        ("chilled_water", "12", "kWh", 12.0, "kWh"),
        ("water", "90476300", "L", 90476.3, "m3"),
        ("rainwater", "93", "m3", 93.0, "m3"),
        ("vehicle_fuel", "1.1", "m3", 1100.0, "L"),
        ("vehicle_fuel", "10443", "L", 10443.0, "L"),
        ("water", "0", "m3", 0.0, "m3"),
    ],
)
def test_units_convert_exactly(tmp_path, commodity, quantity, unit, kept, kept_unit):
    text = HEADING + f"{commodity},2017-07-01,2017-12-31,{quantity},{unit},log\n"
    (row,) = read_ledger(write(tmp_path, text))
    assert (row.quantity, row.unit) == (kept, kept_unit)


@pytest.mark.parametrize(
    ("row", "code", "column", "words"),
    [
        ('water,2016-07-01,2016-12-31,"1,234",m3,b', "thousands", 29, "did you mean '1234'?"),
        ("water,2016-07-01,2016-12-31,1 234.5,m3,b", "thousands", 29, "did you mean '1234.5'?"),
        ("water,2016-07-01,2016-12-31,1,234,m3,b", "too_many_cells", 38, "7 cells where the heading has 6"),
        ("water,2016-07-01,2016-12-31,5", "too_few_cells", 29, "4 cells where the heading has 6"),
        ("water,2016-07-01,2016-12-31,NaN,m3,b", "not_finite", 29, "'NaN'"),
        ("water,2016-07-01,2016-12-31,-inf,m3,b", "not_finite", 29, "'-inf'"),
        ("water,2016-07-01,2016-12-31,,m3,b", "empty", 29, "'quantity' is empty"),
        ("water,2016-07-01,2016-12-31,5 m3,m3,b", "not_a_number", 29, "'5 m3'"),
        ("water,2016-07-01,2016-12-31,\uff15,m3,b", "not_a_number", 29, "is not a number"),
        ("water,2016-07-01,2016-12-31,=1+2,m3,b", "not_a_number", 29, "'=1+2'"),
        ("water,2016-07-01,2016-12-31,1.2E+07,m3,b", "rounded", 29, "rounded by a spreadsheet"),
        ("water,2016-07-01,2016-12-31,-5,m3,b", "negative", 29, "below zero"),
        ("water,2016-07-01,2016-12-31,1234567890123456789,m3,b", "too_many_digits", 29, "more digits"),
        ("water,2016-07-01,2016-12-31,5,,b", "empty", 31, "'unit' is empty"),
        (
            "water,2016-07-01,2016-12-31,5,kWh,b",
            "wrong_unit",
            31,
            "water is not counted in 'kWh'. There is: m3, L.",
        ),
        ("water,2016-07-01,2016-12-31,5,M3,b", "wrong_unit", 31, "did you mean 'm3'?"),
        ("water,2016-07-01,2016-12-31,5,m3,", "empty", 34, "'source' is empty"),
        ("water,2016-12-31,2016-07-01,5,m3,b", "end_before_start", 18, "before the first day 2016-12-31"),
        ("water,2016-07-01,2016-11-31,5,m3,b", "no_such_day", 18, "no 2016-11-31"),
        ("water,2016/7/1,2016-12-31,5,m3,b", "bad_day", 7, "did you mean '2016-07-01'?"),
        ("water,20160701,2016-12-31,5,m3,b", "bad_day", 7, "did you mean '2016-07-01'?"),
        ("water,民國105年7月1日,2016-12-31,5,m3,b", "bad_day", 7, "did you mean '2016-07-01'?"),
        ("water,0105-07-01,2016-12-31,5,m3,b", "year_out_of_range", 7, "did you mean '2016-07-01'?"),
        ("water,soon,2016-12-31,5,m3,b", "bad_day", 7, "'soon' is not a date"),
        ("watre,2016-07-01,2016-12-31,5,m3,b", "unknown_commodity", 1, "did you mean 'water'?"),
        (",2016-07-01,2016-12-31,5,m3,b", "empty", 1, "'commodity' is empty"),
        ('water,2016-07-01,2016-12-31,5,m3,"b', "bad_quotes", 1, "Close each quote"),
    ],
)
def test_each_bad_cell_is_named_by_row_and_column(tmp_path, row, code, column, words):
    good = "electricity,2015-07-01,2015-12-31,1,kWh,a\n"
    found = problems_of(tmp_path, HEADING + good + row + "\n")
    assert [(p.code, p.place.line, p.place.column) for p in found] == [(f"ledger.{code}", 3, column)]
    assert words in found[0].message("en")


def test_the_column_is_named_and_marked(tmp_path):
    (problem,) = problems_of(tmp_path, HEADING + "water,2016-07-01,2016-12-31,x,m3,b\n")
    assert problem.render("en") == (
        f"{tmp_path / 'ledger.csv'}:2:29: quantity: 'x' is not a number."
        " Write digits with a point for decimals, without unit.\n"
        "    water,2016-07-01,2016-12-31,x,m3,b\n"
        "                                ^"
    )


def test_everything_that_is_wrong_is_told_at_once(tmp_path):
    text = HEADING + "watre,2016-07-01,2016-13-31,x,m3,\nwater,2016-07-01,2016-12-31,5,ton,b\n"
    assert [(p.code, p.place.line) for p in problems_of(tmp_path, text)] == [
        ("ledger.unknown_commodity", 2), ("ledger.no_such_day", 2), ("ledger.not_a_number", 2),
        ("ledger.empty", 2), ("ledger.wrong_unit", 3),
    ]  # fmt: skip


def test_unknown_meters_and_a_row_of_two_subjects(tmp_path):
    text = "meter,start,end,quantity,unit,source\nbulding,2017-01-01,2017-01-31,5,kWh,b\n"
    (problem,) = problems_of(tmp_path, text)
    assert (problem.code, problem.path) == ("ledger.unknown_meter", ("meter",))
    assert "did you mean 'building'?" in problem.message("en")
    text = "commodity,meter,start,end,quantity,unit,source\nwater,building,2017-01-01,2017-01-31,5,m3,b\n"
    assert [p.code for p in problems_of(tmp_path, text)] == ["ledger.two_subjects"]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (("2016-07-01", "2016-12-31"), ("2016-12-31", "2017-01-31")),
        (("2016-12-31", "2017-01-31"), ("2016-07-01", "2016-12-31")),
        (("2016-01-01", "2016-12-31"), ("2016-06-01", "2016-06-30")),
        (("2016-06-01", "2016-06-30"), ("2016-01-01", "2016-12-31")),
        (("2016-06-01", "2016-06-30"), ("2016-06-01", "2016-06-30")),
    ],
)
def test_rows_that_overlap_name_each_other(tmp_path, first, second):
    filler = "electricity,2016-07-01,2016-12-31,5,kWh,b\n"  # another subject never overlaps
    rows = [f"water,{start},{end},5,m3,b\n" for start, end in (first, second)]
    (problem,) = problems_of(tmp_path, HEADING + rows[0] + filler + rows[1])
    assert (problem.code, problem.place.line, problem.place.column) == ("ledger.overlap", 4, 7)
    assert problem.message("en").startswith("row 4 overlaps row 2 (water, ")


def test_rows_that_touch_do_not_overlap(tmp_path):
    text = HEADING + "water,2016-07-01,2016-12-31,5,m3,b\nwater,2017-01-01,2017-01-31,5,m3,b\n"
    assert len(read_ledger(write(tmp_path, text))) == 2


def test_a_row_inside_an_earlier_long_one_is_found_across_others(tmp_path):
    days = [("2016-01-01", "2016-12-31"), ("2016-02-01", "2016-02-02"), ("2016-03-01", "2016-03-02")]
    text = HEADING + "".join(f"water,{start},{end},5,m3,b\n" for start, end in days)
    found = problems_of(tmp_path, text)
    assert [(p.place.line, p.data["other"]) for p in found] == [(3, 2), (4, 2)]


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("", ["empty_file"]),
        ("\n\n", ["empty_file"]),
        (HEADING, ["no_rows"]),
        ("commodity;start;end;quantity;unit;source\nwater;2016-07-01;2016-12-31;5;m3;b\n", ["separator"]),
        ("commodity\tstart\tend\tquantity\tunit\tsource\n", ["separator"]),
        ("commodity,start,end,quantity,unit\nx\n", ["no_column"]),
        ("start,end,quantity,unit,source\nx\n", ["no_subject_column"]),
        ("comodity,start,end,quantity,unit,source\nx\n", ["unknown_column"]),
        (
            "commodity,start,end,quantity,unit,source,note\nwater,2016-07-01,2016-12-31,5,m3,b,n\n",
            ["unknown_column"],
        ),
        (
            "commodity,start,end,quantity,unit,source,unit\nwater,2016-07-01,2016-12-31,5,m3,b,m3\n",
            ["column_twice"],
        ),
        ("x,y\n1,2\n", ["unknown_column", "no_column", "no_subject_column"]),
    ],
)
def test_headings_that_are_not_right(tmp_path, text, codes):
    found = [problem.code.removeprefix("ledger.") for problem in problems_of(tmp_path, text)]
    assert set(found) == set(codes), found


def test_an_unknown_column_is_told_with_the_mistakes_of_the_rows(tmp_path):
    text = HEADING.replace("source", "source,sauce") + "watre,2016-07-01,2016-12-31,5,m3,b,c\n"
    found = problems_of(tmp_path, text)
    assert [problem.code for problem in found] == ["ledger.unknown_column", "ledger.unknown_commodity"]
    assert "did you mean 'source'?" in found[0].message("en")


def test_not_utf8_says_how_to_save(tmp_path):
    raw = (HEADING + "water,2016-07-01,2016-12-31,5,m3,帳單\n").encode("big5")
    (problem,) = problems_of(tmp_path, raw)
    assert (problem.code, problem.place.line, problem.place.column) == ("config.not_utf8", 2, 34)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(ConfigurationError) as caught:
        read_ledger(tmp_path / "none.csv")
    assert caught.value.problems[0].code == "config.no_file"


def test_a_cell_with_a_line_break_keeps_later_places_right(tmp_path):
    text = HEADING + 'water,2016-07-01,2016-12-31,5,m3,"two\nlines"\nwater,2017-07-01,2017-12-31,x,m3,b\n'
    (problem,) = problems_of(tmp_path, text)
    assert (problem.place.line, problem.place.column) == (4, 29)


def test_reasons(tmp_path):
    text = "commodity,start,end,reason\nwater,2017-07-01,2017-12-31,府外遷回人力增加約300人\n"
    text += "water,2017-07-01,2017-12-31,衛生紙丟馬桶\n"
    assert read_reasons(write(tmp_path, text)) == (
        ReasonRow("water", date(2017, 7, 1), date(2017, 12, 31), "府外遷回人力增加約300人", 2),
        ReasonRow("water", date(2017, 7, 1), date(2017, 12, 31), "衛生紙丟馬桶", 3),
    )


def test_reasons_with_mistakes(tmp_path):
    text = "commodity,start,end,reason\nwater,2017-07-01,2017-12-31,a\nwater,2017-07-01,2017-12-31,a\n"
    text += "watr,2017-07-01,2017-06-30,\n"
    assert [(p.code, p.place.line) for p in problems_of(tmp_path, text, reasons=True)] == [
        ("ledger.reason_twice", 3), ("ledger.unknown_commodity", 4), ("ledger.end_before_start", 4),
        ("ledger.empty", 4),
    ]  # fmt: skip
