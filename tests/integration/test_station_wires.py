"""The site's own weather station over Modbus and over MQTT: the daemon makes hours of what either says."""

import sqlite3
import sys
from contextlib import closing
from pathlib import Path

from tests.servers import free_port, run_program
from tests.servers.processes import wait_until

ROOF = """
profile: roof_station
version: 1
maker: any
model: A weather station with registers
family: weather
source: ["this test"]
transport: modbus
defaults: {table: input, addressing: zero_based}
points:
  temperature: {address: 0, type: i16, scale: 0.1, unit: degC, valid: [-40, 60]}
  humidity: {address: 1, type: u16, scale: 0.1, unit: "%", valid: [0, 100]}
"""
SITE = """
site: {{id: hall, name: {{zh-TW: 市政大樓, en: City Hall}}, timezone: Asia/Taipei, language: en}}
store: {{path: energy.db}}
interval_s: 5
weather: {{temperature: roof.temperature, humidity: yard.humidity}}
buses:
  - id: b
    kind: modbus_tcp
    host: 127.0.0.1
    port: {modbus}
    devices: [{{id: roof, profile: ./roof_station.yaml, unit: 1}}]
  - id: m
    kind: mqtt
    host: 127.0.0.1
    port: {broker}
    devices: [{{id: yard, profile: json_weather_station, topic: hall/weather, stale_after_s: 60}}]
"""


def hours(store: Path) -> dict[str, float]:
    """Each point's newest hourly mean."""
    if not store.exists():
        return {}
    with closing(sqlite3.connect(store)) as connection:
        found = connection.execute("SELECT name FROM sqlite_master WHERE name = 'station_hours'").fetchall()
        rows = "SELECT point, mean FROM station_hours ORDER BY start_s"
        return dict(connection.execute(rows).fetchall()) if found else {}


def test_both_wires_make_hours(tmp_path, mosquitto):
    (tmp_path / "roof_station.yaml").write_text(ROOF, encoding="utf-8")
    site = tmp_path / "site.yaml"
    site.write_text(SITE.format(modbus=free_port(), broker=mosquitto.port), encoding="utf-8")
    world = [sys.executable, "-m", "simulators", "--site", site, "--publish-every", "1"]
    daemon = [sys.executable, "-m", "monitor.cli.main", "run", "--site", site]
    with run_program(world, name="simulators") as simulated:
        simulated.wait_for_line("^ready$", timeout_s=120)
        with run_program(daemon, name="daemon") as running:
            wait_until("both hours", lambda: len(hours(tmp_path / "energy.db")) == 2, running, 120)
    found = hours(tmp_path / "energy.db")
    assert -5 < found["roof.temperature"] < 45
    assert 5 < found["yard.humidity"] <= 100
