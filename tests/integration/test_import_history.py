"""Imports of history at the real command line: beside a running daemon and without one, in both languages."""

import re
import sqlite3
import sys
import zipfile
from contextlib import closing

import pytest

from tests.import_world import make_site, run_import
from tests.servers import run_program

YEAR = """kind: intervals
time: {column: 時間, calendar: roc, marks: end}
missing: [""]
values:
  - {column: 總表kW, meter: main, unit: kW}
quality: {column: 狀態, good: [A], estimated: [E]}
"""
DAY = "時間,總表kW,狀態\n" + "".join(
    f"106/7/{1 + at // 96} {at % 96 // 4:02d}:{at % 4 * 15:02d},{300 + at}.5,{'AE'[at % 7 == 0]}\n"
    for at in range(1, 193)
)


@pytest.fixture
def site(tmp_path):
    return make_site(tmp_path)


def asked(site, sql):
    with closing(sqlite3.connect(site.with_name("energy.db"))) as connection:
        return connection.execute(sql).fetchall()


def written(site, name, text):
    path = site.with_name(name)
    path.write_text(text, encoding="utf-8")
    return path


def test_a_year_of_another_system_beside_the_running_daemon(site):
    history = written(site, "main.csv", DAY)
    written(site, "main.import.yaml", YEAR)
    daemon = [sys.executable, "-m", "monitor.cli.main", "run", "--site", site]
    with run_program(daemon, name="daemon") as running:
        running.wait_for_line("reading 2 devices")
        code, words = run_import(site, "intervals", history)
        assert (code, "192 added" in words) == (0, True), words
        assert "main: 2017-07-01 00:00:00 to 2017-07-03 00:00:00, 19,056 kWh" in words
        code, words = run_import(site, "intervals", history)
        assert (code, "nothing new" in words) == (0, True), words
        history.write_text(DAY.replace(",301.5,", ",999,"), encoding="utf-8")
        code, words = run_import(site, "intervals", history)
        assert (code, "row 2" in words, "75.375" in words, "249.75" in words) == (1, True, True, True), words
        code, words = run_import(site, "intervals", history, "--replace")
        assert (code, "1 replaced" in words) == (0, True), words
        assert running.terminate() == 0
    assert asked(site, "SELECT count(*), sum(quality), max(rev) FROM intervals") == [(192, 27, 1)]
    assert asked(site, "SELECT quantity FROM replaced_intervals") == [(75.375,)]
    ((file, sha256, who),) = asked(site, "SELECT file, sha256, who FROM imports WHERE id = 1")
    assert file.endswith("main.csv")
    assert (len(sha256), bool(who)) == (64, True)
    assert not list(site.parent.glob("*.npz"))


def test_one_wrong_row_and_nothing_is_imported(site):
    good, bad = written(site, "a.csv", DAY), written(site, "b.csv", DAY.replace("310.5", "31O.5"))
    declared = written(site, "d.yaml", YEAR)
    code, words = run_import(site, "intervals", good, bad, "--as", declared)
    assert code == 1
    assert "b.csv:11:15: 總表kW: '31O.5' is not a number" in words
    assert not site.with_name("energy.db").exists()


def test_conflicts_are_told_in_the_sites_time_as_the_file_is(site):
    declared = written(site, "d.yaml", YEAR)
    assert run_import(site, "intervals", written(site, "a.csv", DAY), "--as", declared)[0] == 0
    code, words = run_import(
        site, "intervals", written(site, "b.csv", DAY.replace("310.5", "311.5")), "--as", declared
    )
    assert code == 1
    assert "b.csv: row 11: the interval of main from 2" in words
    assert ":00Z" not in words
    assert not re.search(r"\dT\d\d:", words), words


def test_what_was_exported_comes_back(site, tmp_path):
    declared = written(site, "d.yaml", YEAR)
    assert run_import(site, "intervals", written(site, "a.csv", DAY), "--as", declared)[0] == 0
    water = "meter,start,quantity,unit\nwet,2017-07-01T00:00+08:00,0.1,m3\n"
    assert run_import(site, "intervals", written(site, "w.csv", water))[0] == 0
    exported = site.with_name("out.csv")
    command = [sys.executable, "-m", "monitor.cli.main", "export", "intervals", "2017-07", "--site", site]
    with run_program([*command, "--out", exported], name="export") as program:
        assert program.wait() == 0, program.output
    before = asked(site, "SELECT meter, start_s, quantity, quality, rate_avg FROM intervals ORDER BY 1, 2")
    assert len(before) == 193
    code, words = run_import(site, "intervals", exported)
    assert (code, "nothing new, all 193 rows" in words) == (0, True), words
    folder = tmp_path / "new"
    folder.mkdir()
    new = make_site(folder)
    assert run_import(new, "intervals", exported)[0] == 0
    assert (
        asked(new, "SELECT meter, start_s, quantity, quality, rate_avg FROM intervals ORDER BY 1, 2")
        == before
    )


BILLS = """kind: actuals
heading_row: 2
columns: {start: 計費期間, quantity: 使用度數, source: 單據號碼}
fixed: {commodity: electricity, unit: 度}
period: one_column
calendar: roc
thousands: true
leave_out: {計費期間: [合計]}
"""
BILL_ROWS = '台電用電明細,,\n計費期間,使用度數,單據號碼\n1060701-1060731,"1,234,567",T-1\n'


def test_bills_of_a_spreadsheet(site):
    declared = written(site, "actuals.import.yaml", BILLS)
    bills = written(site, "bills.csv", BILL_ROWS + '1060801-1060831,"1,300,000",T-2\n合計,"2,534,567",\n')
    code, words = run_import(site, "actuals", bills)
    assert (code, "2 added" in words) == (0, True), words
    assert asked(site, "SELECT start_day, end_day, quantity, unit, source FROM ledger") == [
        ("2017-07-01", "2017-07-31", 1234567.0, "kWh", "T-1"),
        ("2017-08-01", "2017-08-31", 1300000.0, "kWh", "T-2"),
    ]
    overlapping = written(site, "c.csv", BILL_ROWS + "1060731-1060831,1x,T-3\n106/9/31-106/10/1,5,\n")
    code, words = run_import(site, "actuals", overlapping, "--as", declared)
    assert code == 1
    assert "c.csv:4:17: 使用度數: '1x' is not a number" in words
    assert "c.csv:5" in words


def test_readings_by_hand_with_the_day_of_the_next_reading(site):
    text = "抄表日,指數\n106/7/1,100\n106/8/1,190\n"
    wishes = (
        "columns.day=抄表日",
        "columns.reading=指數",
        "fixed.meter=wet",
        "fixed.unit=度",
        "calendar=roc",
    )
    options = [part for wish in (*wishes, "fixed.source=slip") for part in ("--set", wish)]
    code, words = run_import(site, "readings", written(site, "r.csv", text), *options)
    assert (code, "2 added" in words) == (0, True), words
    assert asked(site, "SELECT day, reading, unit FROM manual_readings") == [
        ("2017-07-01", 100.0, "m3"),
        ("2017-08-01", 190.0, "m3"),
    ]


CODIS = """"觀測時間(hour)","測站氣壓(hPa)","氣溫(℃)","相對溼度(%)","降水量(mm)"
"ObsTime","StnPres","Temperature","RH","Precp"
"01","1006.1","27.7","83","T"
"02","1006.0","--","84","0.0"
"24","1006.0","27.5","84","12.5"
"""
STATION = """kind: weather
station: "466920"
heading_row: 2
time: {column: ObsTime, day_in_name: true, marks: end}
missing: ["--", "/", "X", "..."]
traces: [T]
columns: {temperature_c: Temperature, humidity_pct: RH, rain_mm: Precp, pressure_hpa: StnPres}
"""


def test_weather_of_the_weather_office(site):
    written(site, "weather.import.yaml", STATION)
    code, words = run_import(site, "weather", written(site, "466920-2017-07-01.csv", CODIS))
    assert (code, "3 added" in words) == (0, True), words
    assert asked(site, "SELECT start_s, temperature_c, rain_mm FROM weather ORDER BY start_s") == [
        (1498838400, 27.7, 0.0),
        (1498842000, None, 0.0),
        (1498921200, 27.5, 12.5),
    ]
    broken = CODIS.replace("27.7", "-9999")
    code, words = run_import(site, "weather", written(site, "466920-2017-07-02.csv", broken))
    assert (code, "466920-2017-07-02.csv:3:15: Temperature: '-9999' is not a measure" in words) == (
        1,
        True,
    ), words
    code, words = run_import(site, "weather", written(site, "taipei.csv", CODIS))
    assert (code, "the file's name holds no day" in words) == (1, True), words


def test_a_list_of_events(site):
    head = "kind,subject,start,end,text,source\n"
    good = (
        head
        + "outage,,2016-08-01 13:00,2016-08-01 15:30,Feeder down,log 3\nequipment,main,2016-09-01,,New,c 7\n"
    )
    code, words = run_import(site, "events", written(site, "e.csv", good))
    assert (code, "2 added" in words) == (0, True), words
    assert asked(site, "SELECT kind, start_s, end_s FROM past_events ORDER BY start_s") == [
        ("outage", 1470027600, 1470036600),
        ("equipment", 1472659200, None),
    ]
    bad = (
        head + "outige,,2016-08-01,2016-07-01,a,b\noutage,mian,2016-08-01,,,b\noutage,,2016-08-01,,a,b\n" * 2
    )
    code, words = run_import(site, "events", written(site, "f.csv", bad))
    assert code == 1
    for part in (
        "f.csv:2:1: kind: 'outige'",
        "did you mean 'outage'?",
        "f.csv:2:20: end",
        "did you mean 'main'?",
    ):
        assert part in words
    assert "f.csv:3:" in words


# An office program writes much more; these are the parts that a workbook cannot do without.
OPEN = "http://schemas.openxmlformats.org"
OFFICE = f"{OPEN}/officeDocument/2006/relationships"
MAIN = f"{OPEN}/spreadsheetml/2006/main"
TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml"
SHEET = f"""<worksheet xmlns="{MAIN}"><sheetData>
<row r="1"><c r="A1" t="inlineStr"><is><t>t</t></is></c><c r="B1" t="inlineStr"><is><t>kWh</t></is></c></row>
<row r="2"><c r="A2" s="1"><v>42917</v></c><c r="B2"><v>100.25</v></c></row>
<row r="3"><c r="A3" s="1"><v>42917.0104166667</v></c><c r="B3"><v>SECOND</v></c></row>
</sheetData></worksheet>"""
PARTS = {
    "[Content_Types].xml": f"""<Types xmlns="{OPEN}/package/2006/content-types">
<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>
<Default Extension="xml" ContentType="{TYPE}.worksheet+xml"/>
<Override PartName="/xl/workbook.xml" ContentType="{TYPE}.sheet.main+xml"/></Types>""",
    "_rels/.rels": f"""<Relationships xmlns="{OPEN}/package/2006/relationships">
<Relationship Id="r1" Target="xl/workbook.xml" Type="{OFFICE}/officeDocument"/></Relationships>""",
    "xl/workbook.xml": f"""<workbook xmlns="{MAIN}" xmlns:r="{OFFICE}">
<sheets><sheet name="用電" sheetId="1" r:id="r1"/></sheets></workbook>""",
    "xl/_rels/workbook.xml.rels": f"""<Relationships xmlns="{OPEN}/package/2006/relationships">
<Relationship Id="r1" Target="worksheets/s.xml" Type="{OFFICE}/worksheet"/>
<Relationship Id="r2" Target="styles.xml" Type="{OFFICE}/styles"/></Relationships>""",
    "xl/styles.xml": f"""<styleSheet xmlns="{MAIN}"><cellXfs count="2"><xf numFmtId="0"/>
<xf numFmtId="22" applyNumberFormat="1"/></cellXfs></styleSheet>""",
}


def workbook(path, second):
    with zipfile.ZipFile(path, "w") as book:
        for name, text in PARTS.items():
            book.writestr(name, text)
        book.writestr("xl/worksheets/s.xml", SHEET.replace("SECOND", second))
    return path


def test_a_workbook_with_its_own_dates(site):
    book = workbook(site.with_name("h.xlsx"), "101.5")
    wishes = (
        "sheet=用電",
        "time.column=t",
        "values.0.column=kWh",
        "values.0.unit=kWh",
        "values.0.meter=main",
    )
    options = [part for wish in wishes for part in ("--set", wish)]
    code, words = run_import(site, "intervals", book, *options)
    assert (code, "2 added" in words) == (0, True), words
    assert asked(site, "SELECT start_s, quantity FROM intervals ORDER BY start_s") == [
        (1498838400, 100.25),
        (1498839300, 101.5),
    ]
    code, words = run_import(site, "intervals", workbook(site.with_name("i.xlsx"), "-1"), *options)
    assert (code, "i.xlsx:3:2: kWh: -1 is below zero" in words) == (1, True), words
    code, words = run_import(site, "intervals", book, *options, "--set", "sheet=用水")
    assert (code, "no sheet '用水'" in words, "用電" in words) == (1, True, True), words
    code, words = run_import(site, "intervals", written(site, "j.xlsx", "no workbook"), *options)
    assert (code, "cannot be read" in words, "Traceback" in words) == (1, True, False), words
