"""The simulator's building in a real store: base year and reporting period, with a measure planted there."""

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np

from config.history.weather import WeatherRows
from monitor.store.ledgers import writing
from monitor.store.measured import MEASURED_COLUMNS, write_measured
from monitor.store.order import newest_seq
from monitor.store.provenance import Provenance
from monitor.store.weather import import_weather
from rules.calendar import day_start_s
from simulators.building import Building
from simulators.history import meter_intervals
from tests.servers import run_program

ZONE = ZoneInfo("Asia/Taipei")
SITE_ID = "hall"
BASE = date(2015, 1, 1), date(2015, 12, 31)
HALF = date(2016, 7, 1), date(2016, 12, 31)
MEASURE = 0.06
SAID = {
    "en": ("1. Plain", "2. Adjusted", "3. With non-routine", "For the report", "chosen"),
    "zh-TW": ("一、單純差額", "二、經天候", "三、加計非例行", "報告文字", "選用"),
}
EVENT = ("--reason", "300 more staff", "--evidence", "payroll 105-9", "--author", "Lin",
         "--text-en", "About 300 more staff moved back")  # fmt: skip
SITE = """
site: {{id: hall, name: {{zh-TW: 市政大樓, en: City Hall}}, timezone: {zone}, language: en}}
store: {{path: energy.db}}
{extra}
commodities:
  electricity: {{base_year: {base_year}, meters: [main]}}
  chilled_water: {{base_year: 2015{driver}}}
buses:
  - id: b
    kind: modbus_tcp
    host: 127.0.0.1
    port: 1
    devices: [{{id: main, profile: siemens_pac3200, unit: 1}}]
  - id: m
    kind: mqtt
    host: 127.0.0.1
    port: 1
    devices: [{{id: roof, profile: json_weather_station, topic: weather/roof, stale_after_s: 60}}]
meters:
  - {{id: main, name: {{zh-TW: 電表, en: Main}}, commodity: electricity, counter: main.energy_import,
     max_rate: 9000}}
"""
Rows = dict[str, list[float]]
Change = Callable[[np.ndarray, np.ndarray], np.ndarray]


@cache
def building() -> Building:
    """One for all tests of a process: its totals are added up once."""
    return Building()


@cache
def _measured(first: date, last: date, interval_s: int) -> dict[str, np.ndarray]:
    start_s, end_s = _span(first, last)
    history = meter_intervals(building(), "main", float(start_s), float(end_s), interval_s)
    columns = {name: getattr(history, name) for name in MEASURED_COLUMNS if name != "duration_s"}
    return {**columns, "duration_s": np.full(len(history), interval_s)}


@dataclass
class SavingsWorld:
    """A site in a folder of its own.

    ``extra`` : lines of the site file, as its calendar; ``driver`` : as ``, second_driver: wet_bulb``;
    ``base_year`` : of electricity.
    """

    folder: Path
    extra: str = "calendar: taiwan"
    driver: str = ""
    base_year: int = 2015
    zone: str = "Asia/Taipei"
    site_file: Path = field(init=False)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.site_file = self.folder / "site.yaml"
        self.site_file.write_text(
            SITE.format(extra=self.extra, driver=self.driver, base_year=self.base_year, zone=self.zone),
            encoding="utf-8",
        )

    @property
    def store(self) -> Path:
        """The store's file."""
        return self.folder / "energy.db"

    def meter(
        self, first: date, last: date, *, change: Change | None = None, keep: Change | None = None,
        interval_s: int = 3600,
    ) -> None:  # fmt: skip
        """Write a meter's intervals of some days, both included.

        ``change`` gives other quantities for (start_s, quantity); ``keep`` which of them are there at all.
        """
        columns = dict(_measured(first, last, interval_s))
        if change is not None:
            columns["quantity"] = change(columns["start_s"], columns["quantity"])
        if keep is not None:
            kept = keep(columns["start_s"], columns["quantity"])
            columns = {name: values[kept] for name, values in columns.items()}
        with writing(self.store) as engine, engine.begin() as connection:
            told = {name: columns[name].tolist() for name in MEASURED_COLUMNS}
            write_measured(connection, SITE_ID, "main", told, newest_seq(connection))

    def weather(
        self, first: date, last: date, *, change: Change | None = None, keep: Change | None = None,
        station: str = "466920", duration_s: int = 3600,
    ) -> None:  # fmt: skip
        """Import the weather of some days, both included, as ``meter`` does."""
        start_s, end_s = _span(first, last)
        at_s = np.arange(start_s, end_s, duration_s, dtype=np.int64)
        air = {
            "temperature_c": building().gauge("dry_bulb_c", at_s + duration_s / 2),
            "humidity_pct": building().gauge("humidity_pct", at_s + duration_s / 2),
        }
        if change is not None:
            air["temperature_c"] = change(at_s, air["temperature_c"])
        if keep is not None:
            kept = keep(at_s, air["temperature_c"])
            at_s, air = at_s[kept], {name: values[kept] for name, values in air.items()}
        rows = WeatherRows(station, at_s, duration_s, air, np.arange(len(at_s)) + 2)
        with writing(self.store) as engine:
            import_weather(
                engine, SITE_ID, rows, Provenance("weather", "w.csv", "ab" * 32, 5, "ann", "{}", True)
            )

    def command(self, *arguments: object, language: str = "en") -> tuple[int | None, str]:
        """Exit code and words of our own command line."""
        line = [sys.executable, "-m", "monitor.cli.main", *arguments, "--site", self.site_file]
        environment = {"ENERGY_MONITOR_LANGUAGE": language}
        with run_program(line, name="savings", env=environment) as program:
            return program.wait(120), program.output


def _span(first: date, last: date) -> tuple[int, int]:
    return day_start_s(first, ZONE), day_start_s(last + timedelta(days=1), ZONE)


def since(day: date, factor: float) -> Change:
    """Quantities times a factor from a day on."""
    begins_s = day_start_s(day, ZONE)
    return lambda at_s, values: np.where(at_s >= begins_s, values * factor, values)


def without(first: date, days: int):
    """What is left when some days are gone."""
    begins_s = day_start_s(first, ZONE)
    return lambda at_s, _: (at_s < begins_s) | (at_s >= begins_s + days * 86400)
