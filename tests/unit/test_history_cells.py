"""Stamps and figures in whatever way a system writes them; cells and their places."""
# A clock on the wall has no zone.
# ruff: noqa: DTZ001

from datetime import date, datetime, time, timedelta

import numpy as np
import pytest

from config.history.declared import IntervalsFile
from config.history.grid import read_grid
from config.history.numbers import figures
from config.history.stamps import NO_OFFSET, clock_times, stamps
from config.history.workbook import cell_text
from config.problems import ConfigurationError

EPOCH = datetime(1970, 1, 1)


def read(*texts, calendar="gregorian", order="ymd", day_only=False):
    found = stamps(np.array(texts), calendar, order, day_only=day_only)
    return [
        None if bad else EPOCH + timedelta(seconds=int(at))
        for at, bad in zip(found.local_s, found.bad, strict=True)
    ]


def test_ways_of_writing_a_stamp_in_one_column():
    quarter = datetime(2017, 7, 1, 13, 15)
    texts = (
        "2017-07-01 13:15", "2017-07-01T13:15:00", "2017/7/1 13:15", "2017.07.01 13:15:00.000",
        "20170701 13:15", "201707011315", "20170701131500", "2017/7/1 下午 1:15", "2017/7/1 下午 01:15:00",
        "2017/7/1 1:15 PM", "2017年7月1日 13時15分", "2017-07-01T13:15Z", "2017-07-01 13:15:00+08:00",
    )  # fmt: skip
    assert read(*texts) == [quarter] * len(texts)


def test_offsets_are_kept():
    found = stamps(
        np.array(["2017-07-01T13:15Z", "2017-07-01 13:15+0530", "2017-07-01T13:15-03", "2017-07-01"])
    )
    assert found.offset_s.tolist() == [0, 19800, -10800, NO_OFFSET]


def test_years_of_the_republic():
    texts = ("106/07/01", "106.7.1", "1060701", "民國106年7月1日", "中華民國106年07月01日", "106-7-1 00:00")
    assert read(*texts, calendar="roc") == [datetime(2017, 7, 1)] * 6
    assert read("0990701", "99/7/1", "104/2/29", "105/2/29", calendar="roc") == [
        datetime(2010, 7, 1), datetime(2010, 7, 1), None, datetime(2016, 2, 29),
    ]  # fmt: skip
    assert read("106/07/01", "民國106年7月1日") == [None, None]


def test_the_order_of_day_and_month_is_declared():
    assert read("02/01/2017 00:15", "31/12/2017", order="dmy") == [
        datetime(2017, 1, 2, 0, 15),
        datetime(2017, 12, 31),
    ]
    assert read("02/01/2017 00:15", "31/12/2017", order="mdy") == [datetime(2017, 2, 1, 0, 15), None]


@pytest.mark.parametrize(
    "text",
    ["", "-", "2017-13-01", "2017-02-29", "2017-07-01 24:01", "2017-07-01 12:60", "2017-07-01 12:00:60",
     "2017-07-01 13:15 PM", "1889-01-01", "2017-07-01 12:00:00.500", "12:00", "７/1/2017",
     "2017-07-01 12:00+20"],
)  # fmt: skip
def test_what_is_no_stamp(text):
    assert read(text) == [None]


def test_the_end_of_a_day_is_the_next():
    assert read("2017-12-31 24:00") == [datetime(2018, 1, 1)]
    assert read("2017-12-31 12:00", "2017-12-31 00:00", day_only=True) == [None, datetime(2017, 12, 31)]


def test_times_of_day():
    found = clock_times(np.array(["13:15", "01", "24", "7", "25", "12:61", "下午 1:00"]))
    assert found.bad.tolist() == [False, False, False, False, True, True, False]
    assert (found.local_s[~found.bad] / 3600).tolist() == [13.25, 1, 24, 7, 13]


def test_more_ways_than_anybody_has_are_no_stamps():
    texts = ["x" * count + "2017-07-01" for count in range(1, 50)] + ["y" * count for count in range(1, 60)]
    texts += ["z" * count + "!" for count in range(60)] + ["w" * count + "?" for count in range(60)]
    assert set(read(*texts)) == {None}


def test_figures():
    found = figures(
        np.array(["1", "-2.5", "1e3", ".5", "5.", "", "nan", "inf", "1_0", "1,000", "0x1", "1e999", "１"])
    )
    assert found.bad.tolist() == [False] * 5 + [True] * 8
    assert found.values[:5].tolist() == [1, -2.5, 1000, 0.5, 5]
    found = figures(np.array(["1,234.5", "12,34", "-1,000", "--"]), missing=("--",), thousands=True)
    assert (found.bad.tolist(), found.missing.tolist()) == ([False, True, False, False], [False] * 3 + [True])
    assert found.values[[0, 2]].tolist() == [1234.5, -1000]


def grid(folder, text, wanted=("a", "b"), **declared):
    path = folder / "t.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_grid(path, IntervalsFile.model_validate({"kind": "intervals", **declared}), wanted)


@pytest.mark.parametrize(
    "text",
    ["a,b\n1,x\n2,y\n", "a,b\r\n1,x\r\n2,y\r\n", "\ufeffa,b\n1,x\n2,y", '"a","b"\n"1","x"\n"2","y"\n',
     "a,b\n\n1,x\n,\n2,y\n\n", " a , b \n 1 , x \n 2 , y \n", "a,b\r1,x\r2,y\r", 'a,b\n"1",x\n2,"y"\n\n'],
)  # fmt: skip
def test_the_same_table_however_it_is_written(tmp_path, text):
    found = grid(tmp_path, text)
    assert [found.text(row, 0) for row in range(len(found))] == ["1", "2"]
    assert found.cells(1).astype(str).tolist() == ["x", "y"]


def test_lines_and_places(tmp_path):
    found = grid(tmp_path, 'x\na,b\n1,"p, q"\n\n2,"r\ns"\n3,電\n', heading_row=2)
    assert found.lines.tolist() == [3, 5, 7]
    assert found.text(0, 1) == "p, q"
    place = found.place(0, 1)
    assert (place.line, place.column, place.text[place.column - 1 :][: place.length]) == (3, 3, '"p, q"')
    found = grid(tmp_path, "a,b\n電,12\n")
    place = found.place(0, 1)
    assert (place.line, place.column, place.length, place.text) == (2, 3, 2, "電,12")


def test_rows_are_left_out_by_what_they_say(tmp_path):
    found = grid(tmp_path, "a,b\n1,x\n合計,y\nsum,z\n2,w\n", leave_out={"a": ("合計", "sum")})
    assert found.cells(1).astype(str).tolist() == ["x", "w"]
    assert found.lines.tolist() == [2, 5]
    assert found.place(1, 1).text == "2,w"


def test_other_encodings_and_separators(tmp_path):
    text = "時間;值\n上午;1\n"
    for encoding, codec in (("big5", "cp950"), ("utf-16", "utf-16")):
        found = grid(tmp_path, text.encode(codec), ("時間", "值"), encoding=encoding, separator=";")
        assert found.text(0, 0) == "上午"


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        ("時間,a\n".encode("cp950"), "history.not_utf8", "encoding: big5"),
        ("a,c\n1,2\n", "history.no_column", "There is: a, c"),
        ("a,b,b\n1,2,3\n", "history.column_twice", "'b'"),
        ("", "history.no_heading", "row 1"),
        ("a,b\n", "history.no_rows", "no row below"),
        ("a,b\n1,2,3\n", "ledger.too_many_cells", "3 cells"),
        ("a,b\n1\n", "ledger.too_few_cells", "1 cells"),
    ],
)
def test_what_is_no_such_table(tmp_path, text, code, words):
    with pytest.raises(ConfigurationError) as caught:
        grid(tmp_path, text)
    assert [problem.code for problem in caught.value.problems] == [code]
    assert words in caught.value.problems[0].render("en")
    assert caught.value.problems[0].render("zh-TW")


def test_cells_of_a_workbook_are_as_a_csv_has_them():
    assert cell_text(datetime(2017, 7, 1, 0, 14, 59, 999995)) == "2017-07-01 00:15:00"
    assert [cell_text(one) for one in (date(2017, 7, 1), time(13, 15), timedelta(hours=24), True)] == [
        "2017-07-01", "13:15:00", "24:00:00", "TRUE",
    ]  # fmt: skip
    assert [cell_text(one) for one in (1.0, 0.1 + 0.2, 1e-7, 12572309.0, 5, "x", float("nan"))] == [
        "1", "0.3", "0.0000001", "12572309", "5", "x", "nan",
    ]  # fmt: skip
