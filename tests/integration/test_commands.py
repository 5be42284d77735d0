"""The commands that a person types, against simulated devices: what they say, and their exit codes."""

import json
import sys
from pathlib import Path

import pytest

from monitor.store.database import open_writer
from tests.servers import free_port, run_program

SITE = """
site: {{id: hall, name: {{zh-TW: 市政大樓, en: City Hall}}, timezone: Asia/Taipei, language: en}}
store: {{path: energy.db}}
buses:
  - id: room
    kind: modbus_tcp
    host: 127.0.0.1
    timeout_s: 0.5
    devices:
      - {{id: main, profile: siemens_pac3200, port: {port}, unit: 1}}
      - {{id: floors-low, profile: {floors}, port: {port}, unit: 2}}
{more}
meters:
  - id: main
    name: {{zh-TW: 總表, en: Main}}
    commodity: electricity
    counter: main.energy_import
    max_rate: 9000
"""


class Place:
    """A site file and the devices that it names."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()

    def site(self, name: str = "site.yaml", floors: str = "eastron_sdm630", more: str = "") -> Path:
        path = self.folder / name
        path.write_text(SITE.format(port=self.port, floors=floors, more=more), encoding="utf-8")
        return path

    def world(self):
        return run_program([sys.executable, "-m", "simulators", "--site", self.site()], name="simulators")


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path)


def energy_monitor(*words, language="en"):
    """Exit code and all that a command printed."""
    command = [sys.executable, "-m", "monitor.cli.main", *words]
    with run_program(command, name=str(words[0]), env={"ENERGY_MONITOR_LANGUAGE": language}) as program:
        code = program.wait()
        program.wait_for_children()
        return code, program.output


def test_check_is_offline_and_probes_on_request(place):
    site = place.site()
    code, words = energy_monitor("check", "--site", site)
    assert (code, "2 devices" in words) == (0, True), words
    code, words = energy_monitor("check", "--site", site, "--probe")
    assert code == 1
    assert "nothing listens" in words
    with place.world() as world:
        world.wait_for_line("ready")
        code, words = energy_monitor("check", "--site", site, "--probe")
        assert (code, "All 2 devices" in words) == (0, True), words
        code, words = energy_monitor("check", "--site", site, "--probe", "--json")
        assert [probe["ok"] for probe in json.loads(words)["probes"]] == [True, True]


def test_a_profile_that_does_not_fit_is_found(place):
    wrong = place.site("wrong.yaml", floors="trane_pic_rthd")
    absent = f"      - {{id: absent, profile: eastron_sdm630, port: {place.port}, unit: 9}}"
    silent = place.site("silent.yaml", more=absent)
    with place.world() as world:
        world.wait_for_line("ready")
        code, words = energy_monitor("check", "--site", wrong, "--probe")
        assert code == 1
        assert "Check the profile's registers" in words
        assert "1 of 2 devices" in words
        code, words = energy_monitor("check", "--site", silent, "--probe", language="zh-TW")
        assert code == 1
        assert "absent" in words


def test_read_shows_every_point(place):
    site = place.site()
    with place.world() as world:
        world.wait_for_line("ready")
        code, words = energy_monitor("read", "main", "--site", site, "--json")
        assert code == 0
        (scan,) = json.loads(words)
        assert scan["points"]["active_power_total"]["unit"] == "kW"
        assert scan["points"]["active_power_total"]["value"] > 500
        assert {point["quality"] for point in scan["points"].values()} == {"good"}
        code, words = energy_monitor("read", "floors-low", "--site", site, language="zh-TW")
        assert code == 0
        assert "良好" in words
    code, words = energy_monitor("read", "main", "--site", site)
    assert (code, "nothing listens" in words) == (1, True)
    code, words = energy_monitor("read", "mian", "--site", site)
    assert (code, "did you mean 'main'" in words) == (2, True)


def test_status_tells_what_wants_attention(place):
    site = place.site()
    code, words = energy_monitor("status", "--site", site)
    assert (code, "no store yet" in words) == (1, True)
    with place.world() as world:
        world.wait_for_line("ready")
        daemon = [sys.executable, "-m", "monitor.cli.main", "run", "--site", site]
        with run_program(daemon, name="daemon") as running:
            running.wait_for_line("main is online")
            running.wait_for_line("floors-low is online")
            code, words = energy_monitor("status", "--site", site)
            assert (code, "daemon runs" in words) == (0, True), words
            assert running.terminate() == 0
        assert "everything that was read is on disk" in running.output
    code, words = energy_monitor("status", "--site", site, language="zh-TW")
    assert code == 1
    assert "監控程式未執行" in words


def test_wrong_files_are_told_without_a_traceback(place, tmp_path):
    bad = place.site("bad.yaml", floors="eastron_sdm360")
    code, words = energy_monitor("run", "--site", bad)
    assert code == 2
    assert "did you mean 'eastron_sdm630'" in words
    foreign = tmp_path / "energy.db"
    foreign.write_bytes(b"SQLite format 3\0 but no more of it" * 40)
    for command in ("run", "status"):
        code, words = energy_monitor(command, "--site", place.site())
        assert code == 1
        assert "energy.db" in words
    assert foreign.read_bytes().startswith(b"SQLite format 3\0 but")


def test_a_store_of_a_newer_version_is_left_alone(place, tmp_path):
    engine = open_writer(tmp_path / "energy.db")
    with engine.begin() as connection:
        connection.exec_driver_sql("PRAGMA user_version=7")
    engine.dispose()
    code, words = energy_monitor("run", "--site", place.site())
    assert (code, "version 7" in words) == (1, True)


def test_the_schema_is_printed(tmp_path):
    code, words = energy_monitor("schema")
    assert code == 0
    assert "buses" in json.loads(words)["properties"]
    code, _ = energy_monitor("schema", "--out", tmp_path / "s.json")
    assert code == 0
    assert (tmp_path / "s.json").read_text(encoding="utf-8").strip() == words.strip()
