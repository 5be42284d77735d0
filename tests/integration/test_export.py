"""Exports: every row of the period and no other, with its unit, its zone and its doubt."""

import csv
import io
import math
import sys
from datetime import datetime

import numpy as np
import pytest
from arro3.io import read_parquet

from monitor.store.rows import Commit
from monitor.store.writer import register_layouts, submit_and_wait
from rules.quality import Quality
from rules.quantities import Kind
from rules.scan import Layout, PointSpec, Scan
from tests.rework_world import House
from tests.servers import run_program

# 2026-03-01 00:00 in Taipei
MARCH_S = 1_772_294_400
SITE = """
site: {id: hall, name: {zh-TW: 市政大樓, en: City Hall}, timezone: Asia/Taipei, language: en}
store: {path: energy.db}
buses:
  - id: north
    kind: modbus_tcp
    host: 127.0.0.1
    devices: [{id: main, profile: eastron_sdm630, unit: 1}]
meters:
  - id: main
    name: {zh-TW: 總表, en: Main}
    commodity: electricity
    counter: main.energy_import
    max_rate: 200
commodities:
  electricity: {base_year: 2015, meters: [main]}
"""
WATER = Layout(
    "pump", "main", "water", (PointSpec("volume", "m3", Kind.COUNTER), PointSpec("odd", "L/s", Kind.GAUGE))
)


@pytest.fixture
def site(tmp_path):
    """A building with two days around the first of March, a foreign meter, and a pump with a doubt."""
    path = tmp_path / "site.yaml"
    path.write_text(SITE, encoding="utf-8")
    house = House(tmp_path / "energy.db")
    house.feed([(MARCH_S + t, 100.0 * (t + 90_000) / 3600, 100.0) for t in range(-90_000, 90_000, 60)])
    ids = register_layouts(house.engine, "hall", [WATER])
    last = house.reader.last_scan_id()
    for number, (value, mark) in enumerate([(5.0, Quality.GOOD), (math.nan, Quality.MISSING)], start=1):
        scan = Scan(WATER, 1000 * MARCH_S + 250, np.array([value, 0.25]), np.array([mark, 0], dtype=np.uint8))
        row = (last + number, ids[WATER.key], scan.at_ms, scan.values.tobytes(), scan.quality.tobytes())
        assert submit_and_wait(house.writer, Commit(scans=[row]))
    house.leave()
    return path


def exported(site, *command):
    """Exit code and output of an export."""
    words = [sys.executable, "-m", "monitor.cli.main", "export", *command, "--site", site]
    with run_program(words, name="export") as program:
        return program.wait(), program.output


def table(text):
    return list(csv.DictReader(io.StringIO(text)))


def test_intervals_of_a_day_are_the_days_own(site):
    code, text = exported(site, "intervals", "2026-03-01/2026-03-01")
    rows = table(text)
    assert code == 0
    assert len(rows) == 96
    assert rows[0]["start"] == "2026-03-01T00:00:00+08:00"
    assert rows[-1]["end"] == "2026-03-02T00:00:00+08:00"
    assert list(rows[0]) == [
        *("site", "meter", "commodity", "start", "end"),
        *("energy_kwh", "power_avg_kw", "power_max_kw", "power_min_kw"),
        *(
            "coverage_ratio",
            "quality",
            "caught_up",
            "register_start",
            "register_end",
            "factor",
            "epoch",
            "rev",
        ),
    ]
    assert {(row["site"], row["meter"], row["commodity"], row["quality"]) for row in rows} == {
        ("hall", "main", "electricity", "good")
    }
    assert sum(float(row["energy_kwh"]) for row in rows) == pytest.approx(2400.0)


@pytest.mark.parametrize("period", ["2026-03", "115-03", "115年3月", "2026H1", "115年上半年", "2026"])
def test_periods_are_said_as_for_a_report(site, period):
    code, text = exported(site, "intervals", period)
    since_march = [row for row in table(text) if row["start"] >= "2026-03-01"]
    assert (code, len(since_march)) == (0, 99)


def test_scans_are_wide_with_every_doubt_named(site):
    code, text = exported(site, "scans", "2026-03-01/2026-03-01", "--only", "pump")
    good, bad = table(text)
    assert code == 0
    assert good["at"] == "2026-03-01T00:00:00.250+08:00"
    assert (good["volume_m3"], good["odd_l_s"], good["quality"], good["doubts"]) == (
        "5.0",
        "0.25",
        "good",
        "",
    )
    assert (bad["volume_m3"], bad["quality"], bad["doubts"]) == ("", "missing", "volume_m3:missing")
    assert "import_kwh" not in good
    code, text = exported(site, "scans", "2026-03-01/2026-03-01")
    assert len(table(text)) == 1440 + 2


def test_parquet_holds_the_same_as_csv(site, tmp_path):
    for what, period in (("intervals", "2026-03"), ("scans", "2026-03-01/2026-03-01")):
        file = tmp_path / f"{what}.parquet"
        code, words = exported(site, what, period, "--out", file)
        assert code == 0, words
        rows = table(exported(site, what, period)[1])
        assert f"{len(rows):,} rows" in words
        found = read_parquet(file).read_all()
        assert found.num_rows == len(rows)
        for name in rows[0]:
            values = [found[name][at].as_py() for at in range(len(rows))]
            for row, value in zip(rows, values, strict=True):
                if isinstance(value, datetime):
                    assert value == datetime.fromisoformat(row[name])
                    assert value.utcoffset().total_seconds() == 8 * 3600
                elif isinstance(value, float | int):
                    assert value == float(row[name])
                else:
                    assert (value or "") == row[name]


def test_a_file_is_whole_or_not_there(site, tmp_path):
    code, words = exported(site, "intervals", "2026-03", "--out", tmp_path / "none" / "march.csv")
    assert (code, "cannot be written" in words) == (1, True)
    file = tmp_path / "march.csv"
    file.write_text("older")
    code, words = exported(site, "intervals", "2026-03", "--out", file)
    assert (code, "--force" in words, file.read_text()) == (2, True, "older")
    assert exported(site, "intervals", "2026-03", "--out", file, "--force")[0] == 0
    assert len(table(file.read_text(encoding="utf-8"))) == 99
    assert not list(tmp_path.glob("*.part"))


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (("bills", "2026-03"), "neither intervals nor scans"),
        (("intervals", "2026-13"), "2026-13"),
        (("intervals", "2026-03", "--format", "xls"), "neither csv nor parquet"),
        (("intervals", "2026-03", "--format", "parquet"), "--out"),
        (("intervals", "2026-03", "--out", "march.xlsx"), "'.xlsx' is not an ending"),
        (("intervals", "2026-03", "--out", "march"), "'march' is not an ending"),
        (("intervals", "2026-03", "--out", "."), "not an ending"),
        (("intervals", "2026-03", "--only", "mian"), "no meter 'mian', did you mean 'main'?"),
        (("intervals", "2026-03", "--only", "zzz"), "no meter 'zzz'. There is: main."),
        (("scans", "2026-03", "--only", "pmup"), "no device 'pmup'"),
    ],
)
def test_wrong_use_is_told(site, command, words):
    code, text = exported(site, *command)
    assert (code, words in text) == (2, True), text


def test_a_meter_that_left_the_site_file_is_exported_without_a_unit(site):
    site.write_text(SITE.replace("id: main\n    name", "id: other\n    name").replace("[main]", "[other]"))
    code, text = exported(site, "intervals", "2026-03", "--only", "main")
    assert code == 0
    assert {(row["commodity"], "quantity" in row, "energy_kwh" in row) for row in table(text)} == {
        ("", True, False)
    }
