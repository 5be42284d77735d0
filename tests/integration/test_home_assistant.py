"""What Home Assistant is told over a real broker: every meter, and its total as intervals close."""

import asyncio
import json
import sys
import time
from pathlib import Path

from tests import servers
from tests.convention_world import PATIENCE_S, client_of, until
from tests.servers.processes import run_program, wait_until

SITE = """
site: {{id: hall, name: {{zh-TW: 市政大樓, en: City Hall}}, timezone: Asia/Taipei, language: zh-TW}}
store: {{path: energy.db}}
interval_s: 5
buses:
  - id: broker
    kind: mqtt
    host: 127.0.0.1
    port: {port}
    devices:
      - {{id: water-main, profile: json_water_meter, topic: hall/water, stale_after_s: 3}}
      - {{id: floors-low, profile: plain_power, topic: hall/floors, stale_after_s: 3}}
meters:
  - {{id: water-main, name: {{zh-TW: 總水表, en: Water}}, commodity: water,
      counter: water-main.volume, max_rate: 300}}
  - {{id: floors, name: {{zh-TW: 低樓層, en: Low floors}}, commodity: electricity,
      counter: floors-low.energy_import, max_rate: 5000}}
  - {{id: all, name: {{zh-TW: 合計, en: All}}, commodity: electricity, formula: floors}}
sinks:
  - {{id: home, kind: mqtt, host: 127.0.0.1, port: {port}, discovery_prefix: homeassistant}}
"""


def test_home_assistant_is_told_of_every_meter(mosquitto: servers.Mosquitto, tmp_path: Path):
    site = tmp_path / "site.yaml"
    site.write_text(SITE.format(port=mosquitto.port), encoding="utf-8")
    heard: dict[str, list[tuple[bytes, bool]]] = {}
    world = [sys.executable, "-m", "simulators", "--site", site, "--publish-every", "0.5"]
    daemon = [sys.executable, "-m", "monitor.cli.main", "run", "--site", site]
    installed = ["--installed", time.strftime("%Y-%m-%dT00:00:00+00:00", time.gmtime(time.time() - 86_400))]
    with (
        run_program([*world, *installed], name="simulators") as simulators,
        run_program(daemon, name="daemon") as program,
        client_of(mosquitto, "home-assistant") as home,
    ):
        home.on_message = lambda _, __, m: heard.setdefault(m.topic, []).append((m.payload, m.retain))
        home.subscribe([("homeassistant/#", 1), ("energy-monitor/#", 1)])
        simulators.wait_for_line("ready")
        for meter in ("water-main", "floors", "all"):
            topic = f"energy-monitor/hall/meters/{meter}/total"
            wait_until(
                f"two totals of {meter}",
                lambda topic=topic: len({payload for payload, _ in heard.get(topic, ())}) >= 2,
                program,
                PATIENCE_S,
            )
    config = json.loads(heard["homeassistant/sensor/hall_water-main/config"][-1][0])
    # The keys that Home Assistant documents for an MQTT sensor and for discovery.
    assert config == {
        "name": "總水表",
        "unique_id": "hall_water-main",
        "object_id": "hall_water-main",
        "state_topic": "energy-monitor/hall/meters/water-main/total",
        "json_attributes_topic": "energy-monitor/hall/meters/water-main/interval",
        "device_class": "water",
        "state_class": "total_increasing",
        "unit_of_measurement": "m³",
        "device": {
            "identifiers": ["energy-monitor-hall"],
            "name": "市政大樓",
            "model": "facility-energy-monitor",
        },
        "origin": {"name": "facility-energy-monitor"},
    }
    power = json.loads(heard["homeassistant/sensor/hall_all/config"][-1][0])
    assert (power["device_class"], power["unit_of_measurement"]) == ("energy", "kWh")
    for meter in ("water-main", "floors"):
        totals = [float(payload) for payload, _ in heard[f"energy-monitor/hall/meters/{meter}/total"]]
        assert totals == sorted(totals)
        attributes = json.loads(heard[f"energy-monitor/hall/meters/{meter}/interval"][-1][0])
        assert attributes["quality"] in {"good", "estimated", "suspect"}
        assert attributes["duration_s"] == 5
    # All of it is kept by the broker for whoever comes later.
    kept: set[str] = set()
    with client_of(mosquitto, "home-assistant-again") as home:
        home.on_message = lambda _, __, m: kept.add(m.topic) if m.retain else None
        home.subscribe([("homeassistant/#", 1), ("energy-monitor/#", 1)])
        asyncio.run(until("what is kept", lambda: len(kept) >= 9))
    assert "homeassistant/sensor/hall_water-main/config" in kept
