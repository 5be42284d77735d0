"""A replaced meter and a message that comes late, from the wire to the rows that are sent again."""

import json
import sys
import time
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import pytest

from tests import servers
from tests.broker_world import payload, publish
from tests.servers import PATIENCE_S, free_port, run_program
from tests.servers.halls import Hall, running_hall, wait_for

INTERVAL_S = 5
MODBUS = """
site: {{id: hall, name: {{zh-TW: 市政大樓, en: City Hall}}, timezone: Asia/Taipei, language: en}}
store: {{path: energy.db}}
interval_s: 5
buses:
  - {{id: gateway, kind: modbus_tcp, host: 127.0.0.1, port: {port}, every_s: 0.5,
      devices: [{{id: main, profile: eastron_sdm630}}]}}
meters:
  - {{id: main, name: {{zh-TW: 總表, en: Main}}, commodity: electricity, counter: main.energy_import,
      rate: main.active_power_total, max_rate: 20000, factor: 2}}
  - {{id: half, name: {{zh-TW: 半, en: Half}}, commodity: electricity, formula: 0.5 * main}}
"""
MQTT = """
site: {{id: hall, name: {{zh-TW: 市政大樓, en: City Hall}}, timezone: Asia/Taipei, language: en}}
store: {{path: energy.db}}
interval_s: 60
buses:
  - {{id: broker, kind: mqtt, host: 127.0.0.1, port: {port},
      devices: [{{id: water, profile: json_water_meter, topic: hall/water, stale_after_s: 20}}]}}
meters:
  - {{id: w, name: {{zh-TW: 自來水, en: Water}}, commodity: water, counter: water.volume, max_rate: 100}}
"""


def energy_monitor(folder: Path, *words: object, language: str = "en") -> tuple[int, str]:
    command = [
        sys.executable,
        "-m",
        "monitor.cli.main",
        *map(str, words),
        "--site",
        str(folder / "site.yaml"),
    ]
    with run_program(command, name=str(words[0]), env={"ENERGY_MONITOR_LANGUAGE": language}) as program:
        code = program.wait()
        program.wait_for_children()
        return code, program.output


def iso(at_ms: float) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat()


def registers(hall: Hall) -> list[tuple[int, float]]:
    return [(at_ms, values["energy_import"]) for at_ms, values, _ in hall.scans("main")]


def went_back(hall: Hall) -> tuple[tuple[int, float], tuple[int, float]] | None:
    """The last reading of the old register and the first of the new one."""
    found = registers(hall)
    return next(((a, b) for a, b in pairwise(found) if b[1] < a[1]), None)


def test_a_replacement_beside_a_running_daemon(tmp_path: Path):
    with running_hall(tmp_path, MODBUS.format(port=free_port()), "main") as hall:
        hall.set_fault("main", kind="resetting")
        (old_ms, old), (new_ms, new) = wait_for("the new register", lambda: went_back(hall))
        hall.wait_for_interval_after("main", time.time())
        start_s = new_ms // 1000 // INTERVAL_S * INTERVAL_S
        query = "SELECT quality, rev, factor, epoch FROM intervals WHERE meter = 'main' AND start_s = ?"
        wait_for("the interval of the change", lambda: hall.rows(query, start_s))
        assert hall.rows(query, start_s)[0][0] == 2

        said = ("meter", "replace", "main", "--at", iso(new_ms), "--reason", "burnt out", "--serial", "B-17")
        code, words = energy_monitor(tmp_path, *said, "--old-final", old + 100_000, "--new-start", new)
        assert (code, "contradicts the readings" in words) == (1, True), words
        code, words = energy_monitor(tmp_path, *said, "--old-final", old, "--new-start", new)
        assert code == 0, words
        assert "made again" in words
        wait_for("the interval made again", lambda: hall.rows(query, start_s)[0][:2] == (0, 1))
        assert hall.rows(query, start_s)[0][2:] == (2.0, 1)
        half = "SELECT quality FROM intervals WHERE meter = 'half' AND start_s = ?"
        wait_for("the sum over it made again", lambda: hall.rows(half, start_s) == [(0,)])

        code, words = energy_monitor(tmp_path, "meter", "list", "main", "--json")
        (facts,) = json.loads(words)
        assert (code, facts["factor"], facts["records"][0]["serial"]) == (0, 2.0, "B-17")
        for language, wanted in (("en", "burnt out"), ("zh-TW", "換表")):
            code, words = energy_monitor(tmp_path, "meter", "list", language=language)
            assert (code, wanted in words) == (0, True), words
        for language, wanted in (("en", "backward 2"), ("zh-TW", "倒退 2")):
            code, words = energy_monitor(tmp_path, "meter", "refusals", "main", language=language)
            assert (code, wanted in words) == (0, True), words
            _, words = energy_monitor(tmp_path, "status", language=language)
            assert wanted in words
        code, words = energy_monitor(tmp_path, "meter", "refusals", "main", "--since", "1h", "--json")
        assert json.loads(words)["counts"] == {"backward": 2, "new_epoch": 1}
        code, words = energy_monitor(
            tmp_path, "meter", "withdraw", "main", "--at", iso(new_ms), "--reason", "wrong meter"
        )
        assert code == 0, words
        wait_for("the interval as the readings say", lambda: hall.rows(query, start_s)[0][:2] == (2, 2))
        assert old_ms < new_ms


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (["replace", "mian", "--at", "2026-03-01T09:00"], "mian"),
        (["replace", "half", "--at", "2026-03-01T09:00"], "0.5 * main"),
        (["replace", "main", "--at", "yesterday"], "yesterday"),
        (["replace", "main", "--at", "2026-03-01T09:00", "--reason", " "], "--reason"),
        (["refusals", "main", "--since", "long"], "long"),
        (["list", "nobody"], "nobody"),
    ],
)
@pytest.mark.parametrize("language", ["en", "zh-TW"])
def test_what_cannot_be_is_told_in_words(tmp_path: Path, words: list[str], wanted: str, language: str):
    (tmp_path / "site.yaml").write_text(MODBUS.format(port=1), encoding="utf-8")
    if words[0] == "replace":
        words = [*words, "--old-final", "5", "--new-start", "0"]
        words += [] if "--reason" in words else ["--reason", "why"]
    code, told = energy_monitor(tmp_path, "meter", *words, language=language)
    assert (code, wanted in told) == (2, True), told


def test_a_record_without_a_daemon_waits_for_one(tmp_path: Path):
    (tmp_path / "site.yaml").write_text(MODBUS.format(port=1), encoding="utf-8")
    said = ("meter", "reset", "main", "--at", "2026-03-01T09:00", "--reason", "flash wiped")
    assert energy_monitor(tmp_path, *said)[0] == 0
    code, words = energy_monitor(tmp_path, *said)
    assert (code, "nothing was changed" in words) == (0, True)
    code, words = energy_monitor(tmp_path, "meter", "list")
    assert (code, "2026-03-01 09:00:00" in words) == (0, True), words
    code, words = energy_monitor(tmp_path, "meter", "refusals", "main")
    assert (code, "no reading was refused" in words) == (0, True), words


@pytest.mark.scenario(17)
def test_messages_that_come_late_are_put_in_their_place(tmp_path: Path):
    with servers.mosquitto(tmp_path / "broker") as broker:
        (tmp_path / "site.yaml").write_text(MQTT.format(port=broker.port), encoding="utf-8")
        command = [sys.executable, "-m", "monitor.cli.main", "run", "--site", tmp_path / "site.yaml"]
        with run_program(command, name="daemon") as daemon:
            daemon.wait_for_line("devices", timeout_s=PATIENCE_S)
            hall = Hall(tmp_path / "energy.db", None, 0, {}, daemon, command)
            begin_s = int(time.time()) // 60 * 60 - 1800
            said = [payload(500 + t / 100, (begin_s + t) * 1000) for t in range(0, 1800, 10)]

            def heard_the_first():
                publish(broker, said[0], topic="hall/water")
                return hall.rows("SELECT count(*) FROM scans")[0][0]

            wait_for("the first message", heard_the_first)
            query = "SELECT quantity, coverage, caught_up, rev FROM intervals ORDER BY start_s"
            publish(broker, *said[1:40], *said[100:], topic="hall/water")
            wait_for("the intervals", lambda: len(hall.rows(query)) == 29)
            assert sum(row[2] for row in hall.rows(query)) > 8
            publish(broker, *reversed(said[40:100]), topic="hall/water")
            wait_for("the intervals made again", lambda: not any(row[2] for row in hall.rows(query)))
            rows = hall.rows(query)
            assert [row[0] for row in rows] == pytest.approx([0.6] * len(rows))
            assert [row[1] for row in rows] == pytest.approx([1.0] * len(rows))
            assert {row[3] for row in rows[:6]} == {0}
            assert {row[3] for row in rows[8:15]} == {1}
            assert daemon.terminate(timeout_s=30) == 0
