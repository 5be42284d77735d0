"""A site with history to import, and the real command line to do it."""

import sys
from pathlib import Path
from zoneinfo import ZoneInfo

from config.history.facts import MeterFacts, SiteFacts
from config.site import Commodity
from tests.servers import run_program

SITE = """
site: {id: hall, name: {zh-TW: 市政大樓, en: City Hall}, timezone: Asia/Taipei, language: en}
store: {path: energy.db}
commodities:
  electricity: {base_year: 2015, meters: [main]}
  water: {base_year: 2016, meters: [wet]}
buses:
  - id: b
    kind: modbus_tcp
    host: 127.0.0.1
    port: 1
    devices: [{id: main, profile: siemens_pac3200, unit: 1}]
  - {id: m, kind: mqtt, host: 127.0.0.1, port: 1, devices: [{id: wet, profile: json_water_meter, topic: w}]}
meters:
  - {id: wet, name: {zh-TW: 水表, en: Water}, commodity: water, counter: wet.volume, max_rate: 300}
  - {id: main, name: {zh-TW: 電表, en: Main}, commodity: electricity, counter: main.energy_import,
     max_rate: 9000}
"""

LATER_S = 2**32
METERS = {
    "main": MeterFacts(Commodity.ELECTRICITY, 9000, False),
    "second": MeterFacts(Commodity.ELECTRICITY, None, False),
    "wet": MeterFacts(Commodity.WATER, 300, False),
    "sum": MeterFacts(Commodity.ELECTRICITY, None, True),
}


def facts(zone: str = "Asia/Taipei", interval_s: int = 900, now_s: int = LATER_S) -> SiteFacts:
    """What an import knows of the site."""
    return SiteFacts(ZoneInfo(zone), interval_s, METERS, now_s)


def make_site(folder: Path) -> Path:
    """A site file in a folder of its own."""
    path = folder / "site.yaml"
    path.write_text(SITE, encoding="utf-8")
    return path


def run_import(site: Path, kind: str, *arguments: object) -> tuple[int | None, str]:
    """Exit code and words of an import at the command line."""
    command = [sys.executable, "-m", "monitor.cli.main", "import", kind, *arguments, "--site", site]
    with run_program(command, name="import") as program:
        return program.wait(300), program.output
