"""What the page knows of a site before the first reading."""

from pathlib import Path

import pytest

from config.loading import load_site
from monitor.web.plan import plan_site

BUSES = {
    "modbus_tcp": "host: 127.0.0.1",
    "modbus_rtu_tcp": "host: 127.0.0.1",
    "modbus_rtu": "line: /dev/ttyUSB0",
}


def site(folder: Path, kind: str, device_more: str = "") -> Path:
    path = folder / "site.yaml"
    path.write_text(
        f"""
site: {{id: hall, name: {{en: Hall, zh-TW: 市府}}, timezone: Asia/Taipei}}
store: {{path: hall.db}}
interval_s: 900
buses:
  - id: line
    kind: {kind}
    {BUSES[kind]}
    every_s: 20
    devices:
      - {{id: main, profile: eastron_sdm630, unit: 1{device_more}}}
      - {{id: slow, profile: eastron_sdm630, unit: 2, every_s: 60}}
meters:
  - id: m1
    name: {{en: Main, zh-TW: 總表}}
    commodity: electricity
    counter: main.energy_import
    max_rate: 100
commodities: {{electricity: {{meters: [m1], base_year: 2015}}}}
""",
        "utf-8",
    )
    return path


@pytest.mark.parametrize("kind", BUSES)
def test_a_device_is_old_after_three_polls_whatever_carries_it(tmp_path, kind):
    plan = plan_site(load_site(site(tmp_path, kind)))
    assert {id_: plan.stale_after_ms(id_) for id_ in plan.devices} == {"main": 60_000, "slow": 180_000}


def test_a_register_turns_over_where_the_device_says_it_does(tmp_path):
    more = ", overrides: {energy_import: {rolls_over_at: 100000}}"
    plan = plan_site(load_site(site(tmp_path, "modbus_tcp", more)))
    assert [meter.limits.rolls_over_at for meter in plan.traced()] == [100_000]
