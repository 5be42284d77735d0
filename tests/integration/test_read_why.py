"""``energy-monitor read`` says why a value is not good: out of range, refused, or the sign for no value."""

import json
import sys
from pathlib import Path

import pytest

from simulators.control import ask
from tests.integration.test_commands import energy_monitor
from tests.servers import free_port, run_program

SITE = """
site: {{id: hall, name: {{zh-TW: 市政大樓, en: City Hall}}, timezone: Asia/Taipei, language: en}}
store: {{path: energy.db}}
buses:
  - id: room
    kind: modbus_tcp
    host: 127.0.0.1
    port: {port}
    timeout_s: 5
    devices:
      - id: main
        profile: eastron_sdm630
        unit: 1
        overrides: {{active_power_total: {{valid: [0, 1]}}, power_factor_total: {{valid: [2, 3]}}}}
meters: []
"""


@pytest.fixture
def hall(tmp_path: Path):
    site = tmp_path / "site.yaml"
    site.write_text(SITE.format(port=free_port()), encoding="utf-8")
    world = [sys.executable, "-m", "simulators", "--site", site, "--control", "0"]
    with run_program(world, name="simulators") as served:
        control = int(served.wait_for_line(r"^control (\d+)$")[1])
        served.wait_for_line("^ready$")
        yield site, control


def points(site):
    code, words = energy_monitor("read", "main", "--site", site, "--json")
    assert code == 0, words
    (scan,) = json.loads(words)
    return scan["points"]


def test_each_doubt_has_its_reason(hall):
    site, control = hall
    fault = {"device": "main", "kind": "invalid", "points": ["voltage_ln_l1"]}
    assert "number" in ask(control, {"set": fault})
    found = points(site)
    assert found["active_power_total"]["quality"] == "suspect"
    assert found["active_power_total"]["why"]["code"] == "above"
    assert found["active_power_total"]["why"]["limit"] == "1 kW"
    assert found["power_factor_total"]["why"]["code"] == "below"
    assert found["voltage_ln_l1"]["quality"] == "missing"
    assert found["voltage_ln_l1"]["why"]["code"] == "pattern"
    assert found["voltage_ln_l1"]["why"]["words"] == "FFFF FFFF"
    assert "why" not in found["energy_import"]
    for language, said in (("en", "above its plausible range (up to 1 kW)"), ("zh-TW", "高於合理範圍")):
        code, words = energy_monitor("read", "main", "--site", site, language=language)
        assert code == 0
        assert said in " ".join(words.split())


def test_a_refused_register_is_told_from_an_empty_one(hall):
    site, control = hall
    fault = {"device": "main", "kind": "refusing", "code": 2, "addresses": [0, 1]}
    assert "number" in ask(control, {"set": fault})
    found = points(site)
    assert found["voltage_ln_l1"]["why"]["code"] == "refused"
    assert found["voltage_ln_l1"]["why"]["exception"] == 2
