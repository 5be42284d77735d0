"""A site and a store with plausible days, written through the product's own writer.

``python -m tests.browser.make_store FOLDER`` makes one and keeps it alive until it is interrupted, so that
the page can be looked at: ``energy-monitor serve --site FOLDER/site.yaml``.
"""

import math
import signal
import sys
import threading
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
from sqlalchemy import Engine, insert

from monitor.clock import SystemClock
from monitor.store import schema
from monitor.store.database import open_writer
from monitor.store.rows import Commit, ConditionRow, IntervalRow, pack_scan
from monitor.store.writer import Writer, register_layouts, submit_and_wait
from rules.intervals import Interval
from rules.quality import Quality
from rules.quantities import QUANTITIES
from rules.scan import Layout, PointSpec, Scan

ZONE = ZoneInfo("Asia/Taipei")
STEP_S = 900
REPLAY_S = 1500

SITE = """\
site:
  id: city-hall
  name: {{zh-TW: 臺北市政大樓, en: Taipei City Hall}}
  language: {language}
store: {{path: energy.db}}
{contract}
commodities:
  electricity: {{base_year: {base_year}, meters: [main-1, main-2]}}
  water: {{base_year: {base_year}, meters: [water-1]}}
{curtailment}buses:
  - kind: modbus_tcp
    id: switchboard
    host: 192.0.2.10
    every_s: 1
    devices:
      - {{id: pm-1, profile: schneider_pm5000, unit: 1}}
      - {{id: pm-2, profile: schneider_pm5000, unit: 2}}
      - {{id: sdm-ch-1, profile: eastron_sdm630, unit: 11}}
      - {{id: sdm-ch-2, profile: eastron_sdm630, unit: 12}}
      - {{id: sdm-ch-3, profile: eastron_sdm630, unit: 13}}
  - kind: modbus_tcp
    id: plant
    host: 192.0.2.11
    every_s: 5
    devices:
      - {{id: ch-1, profile: trane_pic_rthd, unit: 1}}
      - {{id: ch-2, profile: trane_pic_rthd, unit: 2}}
      - {{id: ch-3, profile: trane_pic_rthd, unit: 3}}
  - kind: mqtt
    id: broker
    host: 192.0.2.12
    devices:
      - {{id: wm-1, profile: json_water_meter, topic: water/1, stale_after_s: 60}}
      - {{id: roof, profile: json_weather_station, topic: weather/roof, stale_after_s: 60}}
meters:
  - {{id: main-1, name: {{zh-TW: 一號總盤, en: Main board 1}}, commodity: electricity,
      counter: pm-1.energy_import, rate: pm-1.active_power_total, max_rate: 2000}}
  - {{id: main-2, name: {{zh-TW: 二號總盤, en: Main board 2}}, commodity: electricity,
      counter: pm-2.energy_import, rate: pm-2.active_power_total, max_rate: 2000}}
  - {{id: ch-1-power, name: {{zh-TW: 一號冰水主機, en: Chiller 1}}, commodity: electricity,
      counter: sdm-ch-1.energy_import, rate: sdm-ch-1.active_power_total, max_rate: 600}}
  - {{id: ch-2-power, name: {{zh-TW: 二號冰水主機, en: Chiller 2}}, commodity: electricity,
      counter: sdm-ch-2.energy_import, rate: sdm-ch-2.active_power_total, max_rate: 600}}
  - {{id: ch-3-power, name: {{zh-TW: 三號冰水主機, en: Chiller 3}}, commodity: electricity,
      counter: sdm-ch-3.energy_import, rate: sdm-ch-3.active_power_total, max_rate: 600}}
  - {{id: water-1, name: {{zh-TW: 總水表, en: Main water meter}}, commodity: water,
      counter: wm-1.volume, rate: wm-1.flow, max_rate: 500}}
"""

CURTAILMENT = """\
curtailment:
  plans:
    - id: summer
      dead_man_s: 14400
      notify_s: 3600
      baseline: taipower-mean-of-5
      actions:
        - {id: warmer-1, point: ch-1.chw_setpoint, by: 2, ceiling: 12, expected_kw: 40}
        - {id: warmer-2, point: ch-2.chw_setpoint, by: 2, ceiling: 12, expected_kw: 40}
        - {id: limit-1, point: ch-1.demand_limit_setpoint, to: 60, expected_kw: 60}
        - {id: limit-2, point: ch-2.demand_limit_setpoint, to: 60, expected_kw: 60}
        - {id: limit-3, point: ch-3.demand_limit_setpoint, to: 40, expected_kw: 10}
"""

ELECTRIC = ("active_power_total", "energy_import")
CHILLER = ("capacity_rla", "chw_supply_temp", "chw_return_temp")
PARTS: dict[str, tuple[str, tuple[str, ...]]] = {
    **dict.fromkeys(("pm-1", "pm-2", "sdm-ch-1", "sdm-ch-2", "sdm-ch-3"), ("electricity", ELECTRIC)),
    **dict.fromkeys(("ch-1", "ch-2", "ch-3"), ("chiller", CHILLER)),
    "wm-1": ("water", ("flow", "volume")),
    "roof": ("weather", ("temperature", "humidity")),
}
COUNTERS = {"main-1": "pm-1", "main-2": "pm-2", "water-1": "wm-1"}
SHARE = {"pm-1": 0.58, "pm-2": 0.42}


def building_kw(at_s: float) -> float:
    """Power of the building: nights, working days, summers, and a little unrest."""
    local = datetime.fromtimestamp(at_s, tz=ZONE)
    hour = local.hour + local.minute / 60 + local.second / 3600
    work = 1.0 if local.weekday() < 5 else 0.3
    summer = 0.5 - 0.5 * math.cos(2 * math.pi * (local.timetuple().tm_yday - 20) / 365)
    rise = 1 / (1 + math.exp(-(hour - 7.8) * 2.4)) - 1 / (1 + math.exp(-(hour - 18.4) * 1.5))
    lunch = 0.09 * math.exp(-((hour - 12.6) ** 2) / 0.25)
    trend = 1.0 - 0.012 * (local.year - 2020)
    unrest = 9 * math.sin(at_s / 37) + 6 * math.sin(at_s / 11.3) + 22 * math.sin(at_s / 1900)
    return trend * (330 + (560 + 330 * summer) * work * (rise - lunch)) + unrest * (0.3 + rise)


def water_m3h(at_s: float) -> float:
    """Flow of water."""
    return max(0.4, building_kw(at_s) / 70 + 1.5 * math.sin(at_s / 23))


def device_rate(device: str, at_s: float) -> float:
    """Rate of a meter's device."""
    if device in SHARE:
        return building_kw(at_s) * SHARE[device]
    if device == "wm-1":
        return water_m3h(at_s)
    return {"sdm-ch-1": 182.0, "sdm-ch-2": 171.0, "sdm-ch-3": 0.4}[device] * (1 + math.sin(at_s / 50) / 60)


@dataclass
class Faults:
    """What is wrong with the site that is made."""

    contract_kw: float | None = 1250.0
    base: str = "intervals"  # or ledger, or none
    offline: tuple[str, ...] = ()
    flow: bool = False
    silent_s: float = 0.0
    days: int | None = None  # of history; the whole half-year when None
    language: str = "zh-TW"
    plan: bool = False  # a curtailment plan
    shed_kw: tuple[int, float] | None = None  # since an instant, and how much less is drawn


@dataclass
class Feeder:
    """Writes what the daemon would."""

    folder: Path
    now_ms: int
    faults: Faults = field(default_factory=Faults)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.base_year = datetime.fromtimestamp(self.now_ms / 1000, tz=ZONE).year - 2
        self.site_file = self.folder / "site.yaml"
        contract = self.faults.contract_kw
        self.site_file.write_text(
            SITE.format(
                language=self.faults.language,
                base_year=self.base_year,
                curtailment=CURTAILMENT if self.faults.plan else "",
                contract="" if contract is None else f"contract: {{capacity_kw: {contract}}}",
            ),
            encoding="utf-8",
        )
        self.registers = dict.fromkeys((*SHARE, "wm-1", "sdm-ch-1", "sdm-ch-2", "sdm-ch-3"), 1000.0)
        self.next_id = 1

    def open(self) -> None:
        """Open the store and put everything into it up to now."""
        self.engine: Engine = open_writer(self.folder / "energy.db")
        self.writer = Writer(self.engine, "city-hall")
        self.writer.start()
        self.layouts = {device: self._layout(device) for device in PARTS}
        self.ids = register_layouts(self.engine, "city-hall", list(self.layouts.values()))
        until_s = self.now_ms // 1000 - int(self.faults.silent_s)
        closed_s = until_s // STEP_S * STEP_S
        self._write_intervals(closed_s)
        self._write_conditions(until_s)
        commit = Commit()
        for at_s in range(until_s - REPLAY_S, until_s + 1):
            self._scans(commit, at_s)
        submit_and_wait(self.writer, commit)
        self.at_s = until_s

    def close(self) -> None:
        """Finish writing."""
        self.writer.close()
        self.engine.dispose()

    def second(self, count: int = 1) -> None:
        """Commit the next seconds' scans."""
        commit = Commit()
        for _ in range(count):
            self.at_s += 1
            self._scans(commit, self.at_s)
        submit_and_wait(self.writer, commit)

    def closes(self) -> None:
        """Close the interval that ended last."""
        end_s = self.at_s // STEP_S * STEP_S
        rows = [self._interval(meter, end_s - STEP_S) for meter in COUNTERS]
        submit_and_wait(self.writer, Commit(intervals=rows))

    def _layout(self, device: str) -> Layout:
        family, names = PARTS[device]
        if family == "chiller" and self.faults.flow:
            names = (*names, "chw_flow")
        points = tuple(PointSpec(name, QUANTITIES[name].unit, QUANTITIES[name].kind) for name in names)
        return Layout(device, "main", family, points)

    def _scans(self, commit: Commit, at_s: int) -> None:
        for device, layout in self.layouts.items():
            every_s = 5 if layout.family in ("chiller", "water", "weather") else 1
            if device in self.registers:
                self.registers[device] += device_rate(device, at_s) / 3600
            if at_s % every_s or device in self.faults.offline:
                continue
            values = np.array([self._value(device, point.name, at_s) for point in layout.points])
            scan = Scan(layout, at_s * 1000 + 120, values, np.full(len(values), Quality.GOOD, np.uint8))
            commit.scans.append((self.next_id, self.ids[layout.key], scan.at_ms, *pack_scan(scan)))
            self.next_id += 1

    def _value(self, device: str, point: str, at_s: int) -> float:
        if point in ("active_power_total", "flow"):
            return device_rate(device, at_s)
        if point in ("energy_import", "volume"):
            return self.registers[device]
        runs = device in ("ch-1", "ch-2")
        wave = math.sin(at_s / 61)
        return {
            "capacity_rla": (76.0 + 2 * wave) if runs else 0.0,
            "chw_supply_temp": 7.1 + 0.1 * wave if runs else 14.0,
            "chw_return_temp": 11.9 + 0.1 * wave if runs else 14.0,
            "chw_flow": 52.0 if runs else 0.0,
            "temperature": 29.3 + 0.2 * wave,
            "humidity": 71.0 + wave,
        }[point]

    def _interval(self, meter: str, start_s: int) -> IntervalRow:
        device = COUNTERS[meter]
        rates = [device_rate(device, start_s + offset) for offset in (150, 450, 750)]
        shed = self.faults.shed_kw
        if shed is not None and device == "pm-1" and start_s >= shed[0]:
            rates = [rate - shed[1] for rate in rates]
        mean = sum(rates) / 3
        quantity = mean * STEP_S / 3600
        one = Interval(
            start_s, STEP_S, quantity, 1.0, 0, mean, max(rates), min(rates), False, 0.0, quantity, 0
        )
        return IntervalRow(meter, one)

    def _write_intervals(self, closed_s: int) -> None:
        today = datetime.fromtimestamp(closed_s, tz=ZONE).date()
        first = date(today.year, 1 if today.month <= 6 else 7, 1)
        spans = [(_midnight(first), closed_s)]
        if self.faults.base == "intervals":
            twin_s = _midnight(today.replace(year=self.base_year))
            spans.append((_midnight(first.replace(year=self.base_year)), twin_s + 5 * 86400))
        if self.faults.days is not None:
            kept_s = (self.faults.days * 86400, (self.faults.days + 8) * 86400)
            spans = [
                (max(begin_s, end_s - kept), end_s)
                for (begin_s, end_s), kept in zip(spans, kept_s, strict=False)
            ]
        rows = [
            self._interval(meter, start_s)
            for begin_s, end_s in spans
            for start_s in range(begin_s, end_s, STEP_S)
            for meter in COUNTERS
        ]
        submit_and_wait(self.writer, Commit(intervals=rows))
        if self.faults.base == "ledger":
            self._write_ledger()

    def _write_ledger(self) -> None:
        months = []
        for month in range(1, 13):
            start = date(self.base_year, month, 1)
            end = (start + timedelta(31)).replace(day=1) - timedelta(1)
            hours = range(_midnight(start), _midnight(end) + 86400, 3600)
            months.append((start, end, sum(building_kw(at_s + 1800) for at_s in hours)))
        with self.engine.begin() as connection:
            connection.execute(
                insert(schema.ledger),
                [
                    {"site": "city-hall", "subject": "electricity", "start_day": start.isoformat(),
                     "end_day": end.isoformat(), "quantity": kwh, "unit": "kWh", "source": "bill",
                     "import_id": 1}
                    for start, end, kwh in months
                ],
            )  # fmt: skip

    def _write_conditions(self, until_s: int) -> None:
        conditions = []
        for device in PARTS:
            gone = device in self.faults.offline
            error = {
                "code": "driver.no_answer",
                "data": {"address": "192.0.2.11:502", "device": device, "timeout_s": 1.0},
            }
            conditions.append(
                ConditionRow(
                    device,
                    "offline" if gone else "online",
                    (until_s - 780) * 1000,
                    error if gone else None,
                )
            )
        submit_and_wait(self.writer, Commit(conditions=conditions))


def _midnight(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=ZONE).astimezone(UTC).timestamp())


def main(folder: Path) -> None:
    """Make a store and keep it alive until interrupted."""
    clock = SystemClock()
    feeder = Feeder(folder, clock.now_ms())
    feeder.open()
    ended = threading.Event()
    for one in (signal.SIGINT, signal.SIGTERM):
        signal.signal(one, lambda *_: ended.set())
    print("ready", flush=True)
    while not ended.wait(0.5):
        behind = clock.now_ms() // 1000 - feeder.at_s
        if behind > 0:
            crosses = (feeder.at_s + behind) // STEP_S > feeder.at_s // STEP_S
            feeder.second(behind)
            if crosses:
                feeder.closes()
    feeder.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
