"""What drivers count and what devices say wrongly reaches ``status``, over the wire and through the store."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.integration.test_commands import energy_monitor
from tests.servers import free_port
from tests.servers.halls import Hall, running_hall, wait_for

SITE = """
site: {{id: hall, name: {{zh-TW: 市政大樓, en: City Hall}}, timezone: Asia/Taipei, language: en}}
store: {{path: energy.db}}
interval_s: 5
buses:
  - id: room
    kind: modbus_tcp
    host: 127.0.0.1
    port: {port}
    every_s: 0.5
    timeout_s: 0.5
    retries: 1
    devices:
      - {{id: main, profile: eastron_sdm630, unit: 1}}
      - {{id: roof, profile: eastron_sdm630, unit: 2, overrides: {{power_factor_total: {{valid: [2, 3]}}}}}}
meters:
  - {{id: main, name: {{zh-TW: 總表, en: Main}}, commodity: electricity,
      counter: main.energy_import, max_rate: 9000}}
"""


@pytest.fixture(scope="module")
def hall(tmp_path_factory):
    with running_hall(tmp_path_factory.mktemp("hall"), SITE.format(port=free_port()), "main") as one:
        yield one


def status(hall: Hall, language: str = "en") -> tuple[int, str]:
    return energy_monitor("status", "--site", hall.store.with_name("site.yaml"), language=language)


def facts(hall: Hall) -> dict[str, Any]:
    site: Path = hall.store.with_name("site.yaml")
    _, words = energy_monitor("status", "--site", site, "--json")
    return {one["device"]: one for one in json.loads(words)["devices"]}


def test_counts_and_doubts_of_devices_are_told(hall: Hall):
    def silent() -> dict[str, Any] | None:
        counts = hall.rows("SELECT counts FROM device_counts WHERE device = 'main'")
        found = json.loads(counts[0][0]) if counts else {}
        return found if found.get("silent", 0) > 0 else None

    number = hall.set_fault("main", kind="silent")
    counts = wait_for("silent questions of main", silent)
    hall.clear_fault(number)
    hall.wait_for_condition("main", "online")
    assert counts["polls"] >= counts["silent"] > 0
    assert counts["retries"] > 0
    told = facts(hall)
    assert told["main"]["counts"]["silent"] >= counts["silent"]
    assert told["roof"]["counts"]["since"] <= told["roof"]["counts"]["at"]
    assert [one["point"] for one in told["roof"]["doubts"]] == ["power_factor_total"]
    code, words = status(hall)
    assert code == 1  # a value outside its range wants a person
    assert "without an answer" in words
    assert "roof: power_factor_total" in words
    assert "below its plausible range (from 2" in words
    _, words = status(hall, "zh-TW")
    assert "逾時無回應" in words
    assert "低於合理範圍" in words


def test_the_log_of_the_daemon_tells_it_in_words(hall: Hall):
    line = next(line for line in hall.daemon.output.splitlines() if "main is " in line and "[driver." in line)
    assert "no answer within 0.5 s" in line
    assert line.endswith("[driver.no_answer]")
