"""A site file that is read again while the daemon runs, and how it ends when it is told to."""

import json
import os
import signal
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import pytest

from tests.servers import free_port, run_program
from tests.servers.halls import wait_for
from tests.servers.scripted_http import Answer

SITE = """\
site: {{id: hall, name: {{zh-TW: 市政大樓, en: City Hall}}, timezone: Asia/Taipei, language: en}}
store: {{path: energy.db}}
interval_s: 5
buses:
  - id: room
    kind: modbus_tcp
    host: 127.0.0.1
    port: {port}
    every_s: 0.25
    timeout_s: 0.4
    devices:
      - {{id: main, profile: eastron_sdm630, unit: 1}}
{more}"""
SECOND = "      - {id: other, profile: eastron_sdm630, unit: 2}\n"
MONITOR = [sys.executable, "-m", "monitor.cli.main"]


def rows(store: Path, query: str) -> list[tuple]:
    with closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True)) as connection:
        return connection.execute(query).fetchall()


def scans(store: Path, device: str) -> int:
    query = "SELECT count(*) FROM scans s JOIN layouts l ON l.id = s.layout_id WHERE l.device = "
    return rows(store, f"{query}'{device}'")[0][0]


def audit(store: Path) -> list[tuple[str, dict]]:
    found = rows(store, "SELECT action, detail FROM audit WHERE actor = 'daemon' ORDER BY id")
    return [(action, json.loads(detail)) for action, detail in found]


class Room:
    """A simulated switch room with two meters, of which the site file knows one at first."""

    def __init__(self, folder: Path) -> None:
        self.file, self.store = folder / "site.yaml", folder / "energy.db"
        self.port = free_port()
        self.write(SECOND)
        self.simulated = folder / "world.yaml"
        self.simulated.write_text(self.file.read_text(encoding="utf-8"), encoding="utf-8")
        self.write("")

    def write(self, more: str) -> None:
        self.file.write_text(SITE.format(port=self.port, more=more), encoding="utf-8")

    def world(self):
        options = ["--site", self.simulated, "--control", "0"]
        return run_program([sys.executable, "-m", "simulators", *options], name="simulators")

    def daemon(self, **more):
        return run_program([*MONITOR, "run", "--site", self.file], name="daemon", **more)

    def wait_for_readings(self, device: str) -> None:
        before = scans(self.store, device)
        wait_for(f"readings of {device}", lambda: scans(self.store, device) >= before + 3)


@pytest.fixture
def room(tmp_path: Path) -> Room:
    return Room(tmp_path)


def again(daemon) -> None:
    os.kill(daemon.pid, signal.SIGHUP)


@pytest.mark.scenario(25)
@pytest.mark.parametrize("language", ["en", "zh-TW"])
def test_scenario_25_a_bad_site_file_is_refused_whole_and_the_old_one_stays(room: Room, language: str):
    with room.world() as world, room.daemon(env={"ENERGY_MONITOR_LANGUAGE": language}) as daemon:
        world.wait_for_line("^ready", timeout_s=90)
        daemon.wait_for_line("main (is online|目前連線)", timeout_s=90)
        # One right change and one mistake: neither is taken up.
        room.write(SECOND + "meters:\n  - {id: main, commodity: electricity, counter: main.energy_imprt}\n")
        again(daemon)
        wait_for("the refusal", lambda: audit(room.store))
        room.wait_for_readings("main")
        assert scans(room.store, "other") == 0
        ((action, detail),) = audit(room.store)
        assert action == "site_file.refused"
        assert detail["path"] == str(room.file)
        assert all(":15:" in one["at"] for one in detail["problems"])
        daemon.wait_for_line("is not taken up" if language == "en" else "未被採用", timeout_s=60)
        assert "energy-monitor check" in daemon.output
        room.write("nonsense: [\n")
        again(daemon)
        wait_for("the second refusal", lambda: len(audit(room.store)) == 2)
        # Put right, it is taken up whole, and no restart was needed.
        room.write(SECOND)
        again(daemon)
        room.wait_for_readings("other")
        room.wait_for_readings("main")
        assert [action for action, _ in audit(room.store)] == ["site_file.refused"] * 2 + ["site_file.taken"]
        assert audit(room.store)[-1][1]["sha256"] != audit(room.store)[-1][1]["before"]
        assert daemon.terminate(timeout_s=60) == 0


@pytest.mark.scenario(25)
def test_a_site_file_that_fails_at_the_last_moment_leaves_the_old_one_at_work(room: Room):
    with room.world() as world, room.daemon() as daemon:
        world.wait_for_line("^ready", timeout_s=90)
        daemon.wait_for_line("main (is online|目前連線)", timeout_s=90)
        # It holds together, and the store that it would write to is another site's.
        room.file.write_text(
            room.file.read_text(encoding="utf-8").replace("id: hall", "id: mall"), encoding="utf-8"
        )
        again(daemon)
        wait_for("the refusal", lambda: audit(room.store))
        ((action, detail),) = audit(room.store)
        assert (action, detail["problems"][0]["code"]) == ("site_file.refused", "store.other_site")
        room.wait_for_readings("main")
        assert daemon.terminate(timeout_s=60) == 0
    assert rows(room.store, "SELECT DISTINCT site FROM layouts") == [("hall",)]


@pytest.mark.scenario(25)
def test_scenario_25_told_to_end_it_commits_what_it_has_whatever_hangs(room: Room, scripted_http):
    """A sink that never answers and a device that is not there hold nothing up."""
    scripted_http.otherwise = Answer(fault="hang")
    room.write(
        f"      - {{id: gone, profile: eastron_sdm630, unit: 1, port: {free_port()}}}\n"
        "sinks:\n"
        f"  - {{kind: influxdb, id: city, url: '{scripted_http.url}', bucket: energy, timeout_s: 600}}\n"
    )
    with room.world() as world, room.daemon() as daemon:
        world.wait_for_line("^ready", timeout_s=90)
        wait_for("a request that hangs", lambda: len(scripted_http.requests) > 0)
        room.wait_for_readings("main")
        assert daemon.terminate(timeout_s=60) == 0  # the sink's own patience is ten minutes
    newest = rows(room.store, "SELECT max(id) FROM scans")[0][0]
    # The last snapshot is of the last reading: nothing was read and not written.
    assert rows(room.store, "SELECT scan_id FROM snapshots WHERE meter = ''") == [(newest,)]


@pytest.mark.scenario(11)
def test_scenario_11_polling_does_not_notice_a_server_that_never_answers(room: Room, scripted_http):
    scripted_http.otherwise = Answer(fault="hang")
    room.write(
        "sinks:\n"
        f"  - {{kind: influxdb, id: city, url: '{scripted_http.url}', bucket: energy, timeout_s: 600}}\n"
    )
    with room.world() as world, room.daemon() as daemon:
        world.wait_for_line("^ready", timeout_s=90)
        wait_for("a request that hangs", lambda: len(scripted_http.requests) > 0)
        for _ in range(5):
            room.wait_for_readings("main")
        assert len(scripted_http.requests) == 1  # still the first one
        assert rows(room.store, "SELECT count(*) FROM cursors WHERE position > 0") == [(0,)]
        assert daemon.terminate(timeout_s=60) == 0
