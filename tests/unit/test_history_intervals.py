"""Intervals out of other systems' files: columns, units, zones, and everything that is wrong by its row."""

from datetime import datetime

import numpy as np
import pytest

from config.history.declared import read_declaration
from config.history.intervals import read_intervals
from config.problems import ConfigurationError
from rules.quality import Quality
from tests.import_world import facts

MIDNIGHT_S = 1498838400  # 2017-07-01T00:00 in Taipei
KWH = ("values.0.meter=main", "values.0.column=kWh", "values.0.unit=kWh", "time.column=t")


def read(folder, text, *settings, **known):
    path = folder / "x.csv"
    path.write_text(text, encoding="utf-8")
    return read_intervals(path, read_declaration("intervals", None, settings), facts(**known))


def problems_of(folder, text, *settings, **known):
    with pytest.raises(ConfigurationError) as caught:
        read(folder, text, *settings, **known)
    for problem in caught.value.problems:
        assert problem.render("en")
        assert problem.render("zh-TW")
    return caught.value.problems


def test_the_plain_way_has_a_meter_in_each_row(tmp_path):
    text = "meter,start,quantity,unit\nwet,2017-07-01T00:15+08:00,2,L\nmain,2017-06-30T16:00Z,0.1,MWh\n"
    rows = read(tmp_path, text + "wet,2017-07-01T00:00+08:00,1,m3\n")
    assert rows.meters == ("main", "wet")
    assert rows.meter.tolist() == [0, 1, 1]
    assert rows.start_s.tolist() == [MIDNIGHT_S, MIDNIGHT_S, MIDNIGHT_S + 900]
    assert rows.quantity.tolist() == [100, 1, 0.002]
    assert rows.line.tolist() == [3, 4, 2]
    assert rows.duration_s == 900
    assert np.isnan(rows.register_end).all()


def test_a_column_for_each_meter_mean_power_and_stamps_at_the_end(tmp_path):
    text = 't,kW,LPM,x\n2017/7/1 0:15,400,10,-\n2017/7/1 0:30,"1,404",,-\n'
    settings: tuple[str, ...] = ("time.column=t", "time.marks=end", "missing=", "thousands=true")
    settings += ("values.0.meter=main", "values.0.column=kW", "values.0.unit=kW")
    settings += ("values.1.meter=wet", "values.1.column=LPM", "values.1.unit=L/min")
    rows = read(tmp_path, text, *settings)
    assert rows.start_s.tolist() == [MIDNIGHT_S, MIDNIGHT_S + 900, MIDNIGHT_S]
    assert rows.quantity.tolist() == [100, 351, 0.15]
    assert rows.left_out == 1


def test_registers_become_differences_and_a_gap_stays_open(tmp_path):
    text = "t,kWh\n2017-07-01 00:30,10.5\n2017-07-01 00:00,10\n2017-07-01 00:15,10.25\n2017-07-01 01:00,12\n"
    rows = read(tmp_path, text, *KWH, "values.0.register=true", "values.0.factor=120")
    assert rows.start_s.tolist() == [MIDNIGHT_S, MIDNIGHT_S + 900]
    assert rows.quantity.tolist() == [30, 30]
    assert rows.register_start.tolist() == [10, 10.25]
    assert (rows.register_end.tolist(), rows.factor.tolist()) == ([10.25, 10.5], [120, 120])


def test_quality_is_declared_or_stands_in_a_column(tmp_path):
    text = "t,kWh,q\n2017-07-01 00:00,1,A\n2017-07-01 00:15,1,E\n2017-07-01 00:30,1,?\n"
    column = ("quality.column=q", "quality.good=A", "quality.estimated=E|F")
    rows = read(tmp_path, text, *KWH, *column, "quality.suspect=?")
    assert rows.quality.tolist() == [Quality.GOOD, Quality.ESTIMATED, Quality.SUSPECT]
    assert set(read(tmp_path, text, *KWH, "quality=estimated").quality.tolist()) == {Quality.ESTIMATED}
    (problem,) = problems_of(tmp_path, text, *KWH, *column)
    assert (problem.code, problem.place.line, problem.path) == ("history.unknown_quality", 4, ("q",))


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("Europe/Berlin", "2017-03-26", 23),
        ("Europe/Berlin", "2017-10-29", 25),
        ("Europe/Berlin", "2017-11-05", 24),
        ("America/New_York", "2017-03-12", 23),
        ("America/New_York", "2017-11-05", 25),
    ],
)
def test_days_of_23_and_25_hours(tmp_path, zone, day, hours):
    here = facts(zone).zone
    first = int(datetime.fromisoformat(f"{day}T00:00").replace(tzinfo=here).timestamp())
    instants = [first + 900 * at for at in range(4 * hours)]
    stamps = [datetime.fromtimestamp(at, here).strftime("%Y/%m/%d %H:%M") for at in instants]
    rows = read(tmp_path, "t,kWh\n" + "".join(f"{at},1\n" for at in stamps), *KWH, zone=zone)
    assert rows.start_s.tolist() == instants


def test_in_a_long_file_each_meter_has_the_hour_twice(tmp_path):
    twice = ["2017-10-29 02:00", "2017-10-29 02:00"]
    text = "meter,t,kWh\n" + "".join(f"{meter},{at},1\n" for at in twice for meter in ("main", "second"))
    settings = ("time.column=t", "values.0.column=kWh", "values.0.unit=kWh", "values.0.meter_column=meter")
    rows = read(tmp_path, text, *settings, "interval_s=3600", zone="Europe/Berlin")
    assert np.diff(rows.start_s).tolist() == [3600, -3600, 3600]
    problems = problems_of(
        tmp_path, "meter,t,kWh\nmain,2017-10-29 02:00,1\n", *settings, zone="Europe/Berlin"
    )
    assert [(problem.code, problem.place.line) for problem in problems] == [("history.doubtful_hour", 2)]


@pytest.mark.parametrize(
    ("rows", "code", "line", "column", "words"),
    [
        ("2017-07-01 00:00,x\n", "bad_number", 2, 18, "'x' is not a number"),
        ("2017-07-01 00:00,\n", "bad_number", 2, 18, "Declare it under 'missing'"),
        ("2017-07-01 00:00,-1\n", "negative", 2, 18, "below zero"),
        ("2017-07-01 00:00,1\n2017-07-01 00:15,2251\n", "above_max_rate", 3, 18, "9004 an hour"),
        ("106-07-01 00:00,1\n", "bad_stamp", 2, 1, "calendar: roc"),
        ("2017-07-01 00:07,1\n", "off_grid", 2, 1, "multiple of 15 minutes"),
        ("2017-07-01 00:15,1\n2017-07-01 00:00,1\n2017-07-01 00:15,1\n", "twice", 4, 1, "row 2"),
        ("2106-02-07 06:15,1\n", "no_such_year", 2, 1, "'2106-02-07 06:15' lies after the year 2100."),
        ("2999-13-01 00:00,1\n", "no_such_year", 2, 1, "Correct the year."),
    ],
)
def test_what_is_wrong_stands_by_its_row(tmp_path, rows, code, line, column, words):
    (problem,) = problems_of(tmp_path, "t,kWh\n" + rows, *KWH)
    assert (problem.code, problem.place.line, problem.place.column) == (f"history.{code}", line, column)
    assert words in problem.render("en")


def test_other_things_that_are_wrong(tmp_path):
    text = "t,kWh\n2017-07-01 00:00,5\n2017-07-01 00:15,4\n2017-07-01 00:20,4\n"
    found = problems_of(tmp_path, text, *KWH, "values.0.register=true")
    assert [(one.code, one.place.line) for one in found] == [
        ("history.goes_back", 3),
        ("history.off_grid", 4),
    ]
    found = problems_of(tmp_path, "t,kWh\n2017-07-01 00:00,5\n", *KWH, now_s=MIDNIGHT_S + 899)
    assert found[0].code == "history.future"
    found = problems_of(tmp_path, "t,kWh\n2017-03-26 02:00,5\n", *KWH, zone="Europe/Berlin")
    assert found[0].code == "history.skipped_hour"
    found = problems_of(tmp_path, "t,kWh\n2017-07-01 00:00,-\n", *KWH, "missing=-")
    assert found[0].code == "history.nothing_known"
    half_hours = "t,kWh\n2017-07-01 00:00,5\n2017-07-01 00:15,5\n"
    assert problems_of(tmp_path, half_hours, *KWH, "interval_s=1800")[0].code == "history.twice"


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        (("values.0.meter=mian",), "history.unknown_meter"),
        (("values.0.meter=sum",), "history.virtual_meter"),
        (("values.0.meter_column=t",), "history.meter_or_column"),
        (("values.0.unit_column=t",), "history.unit_or_column"),
        (("values.0.unit=m3",), "history.wrong_unit"),
        (("values.0.unit=kW", "values.0.register=true"), "history.wrong_unit"),
        (("interval_s=420",), "history.bad_interval"),
        (("time.zone=Asia/Taibei",), "history.no_zone"),
        (("time.marks=middle",), "config.not_one_of"),
        (("valeus=x",), "config.unknown_key"),
        (("kind=weather",), None),
        (("time",), "history.bad_wish"),
        (("time.zone=UTC", "time.zone.x=y"), "history.bad_wish"),
    ],
)
def test_a_declaration_that_does_not_fit(tmp_path, settings, code):
    text = "t,kWh\n2017-07-01 00:00,5\n"
    if code is None:
        assert len(read(tmp_path, text, *KWH, *settings)) == 1  # what is asked for at the command goes first
        return
    assert problems_of(tmp_path, text, *KWH, *settings)[0].code == code


def test_names_of_another_system_are_meters_of_ours(tmp_path):
    text = "tag,t,v,u\nMDP-1,2017-07-01 00:00,5,度\nW,2017-07-01 00:00,5,度\n"
    settings = ("time.column=t", "values.0.column=v", "values.0.unit_column=u", "values.0.meter_column=tag")
    rows = read(tmp_path, text, *settings, "values.0.meters.MDP-1=main", "values.0.meters.W=wet")
    assert (rows.meters, rows.quantity.tolist()) == (("main", "wet"), [5, 5])
    found = problems_of(tmp_path, text + "W,2017-07-01 00:15,5,kWh\n", *settings, "values.0.meters.W=wet")
    assert [(one.code, one.place.line) for one in found] == [
        ("history.unknown_meter", 2),
        ("history.wrong_unit", 4),
    ]


def test_years_that_are_none_of_the_republic_are_told_so(tmp_path):
    (problem,) = problems_of(tmp_path, "t,kWh\n2017-07-01 00:00,1\n", *KWH, "time.calendar=roc")
    assert problem.code == "history.no_such_roc_year"
    assert "Leave 'calendar: roc' out" in problem.render("en")


def test_a_row_with_too_few_cells_hides_no_other(tmp_path):
    text = "t,kWh\n2017-07-01 00:00\n" + "".join(f"2017-07-01 {at:02d}:00,x\n" for at in range(1, 16))
    found = problems_of(tmp_path, text, *KWH)
    assert [one.code for one in found] == ["ledger.too_few_cells"] + ["history.bad_number"] * 15
    assert [one.place.line for one in found] == list(range(2, 18))
    (problem,) = problems_of(tmp_path, "t,kWh\n2017-07-01 00:00,5\n2017-07-01 00:15,5,5\n", *KWH)
    assert (problem.code, problem.place.line) == ("ledger.too_many_cells", 3)


def test_all_rows_are_counted_and_the_first_are_told(tmp_path):
    text = "t,kWh\n" + "".join(f"2017-07-01 {at // 4:02d}:{at % 4 * 15:02d},x\n" for at in range(96))
    found = problems_of(tmp_path, text, *KWH)
    assert [one.place.line for one in found[:20]] == list(range(2, 22))
    assert (len(found), found[20].code, found[20].data["count"]) == (21, "history.more", 76)


def test_a_declaration_beside_the_file(tmp_path):
    path = tmp_path / "d.yaml"
    path.write_text(
        "kind: intervals\ntime: {colum: t}\nvalues: [{column: v, meter: main}]\n", encoding="utf-8"
    )
    with pytest.raises(ConfigurationError) as caught:
        read_declaration("intervals", path)
    (problem,) = caught.value.problems
    assert (problem.place.line, "did you mean 'column'?" in problem.render("en")) == (2, True)
    path.write_text("- kind: intervals\n", encoding="utf-8")
    with pytest.raises(ConfigurationError) as caught:
        read_declaration("intervals", path)
    (problem,) = caught.value.problems
    assert problem.code == "history.declaration_keys"
    assert "'kind: intervals' and 'time:'" in problem.render("en")
    path.write_text(
        "kind: intervals\ntime: {column: t}\nvalues: [{column: v, meter: main}]\n", encoding="utf-8"
    )
    declared = read_declaration("intervals", path, ("time.zone=UTC", "values.0.unit=kWh"))
    assert (declared.time.column, declared.time.zone, declared.values[0].unit) == ("t", "UTC", "kWh")
    with pytest.raises(ConfigurationError) as caught:
        read_declaration("weather", path)
    assert [one.code for one in caught.value.problems] == ["history.other_kind"]
    path.write_text("", encoding="utf-8")
    with pytest.raises(ConfigurationError, match="docs/imports"):
        read_declaration("weather", path)
