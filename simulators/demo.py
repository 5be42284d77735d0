"""``python -m simulators.demo FOLDER``: the demo's site file, and the past of its meters as one file.

The product reads both as it would read anybody's: it never imports this package.
"""

import argparse
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from config.loading import LoadedSite, load_site
from config.site import MeterSettings
from drivers.modbus_profile import ModbusProfile, RegisterPoint, RegisterType, register_points
from drivers.mqtt_profile import MqttProfile
from simulators.building import Building
from simulators.clock import machine_s
from simulators.history import History, meter_intervals
from simulators.plant import CHILLERS

ZONE = ZoneInfo("Asia/Taipei")
PAST_FILE = "past.npz"
TAIL_STEP_S = 1
"""The open interval's readings so far, as if the daemon had been polling all along."""

# (id, profile, Chinese name, English name, most kW)
_ELECTRICITY = (
    ("main", "siemens_pac3200", "總電表", "Main meter", 9000),
    ("floors-low", "eastron_sdm630", "低樓層", "Lower floors", 2000),
    ("floors-mid", "eastron_sdm630", "中樓層", "Middle floors", 2000),
    ("floors-high", "eastron_sdm630", "高樓層", "Upper floors", 2000),
    ("base", "schneider_pm5000", "常時負載", "Base load", 3000),
    ("pumps", "delta_dpm_c530a", "水泵", "Pumps", 1500),
    ("towers", "delta_dpm_c530a", "冷卻水塔", "Cooling towers", 800),
    *(
        (f"chiller-{n}-power", "eastron_sdm630", f"{numeral}號冰水主機", f"Chiller {n}", 800)
        for n, numeral in enumerate("一二三四五", start=1)
    ),
)
_WATER = (
    ("water-main", "總水表", "Water main", 300),
    ("tower-makeup", "冷卻水塔補水", "Cooling tower make-up", 150),
)

CONTRACT_KW = 5500


STATION = "weather"
"""The device that is the site's own station."""


def site_yaml(modbus_port: int, mqtt_port: int, page_port: int) -> str:
    """The demo's site file."""
    lines = [
        "# The demo's site: a simulated building, made anew at every start of the demo.",
        "site:",
        "  id: demo-city-hall",
        "  name: {zh-TW: 市政大樓（示範）, en: City Hall (demo)}",
        "  timezone: Asia/Taipei",
        "  language: zh-TW",
        "store: {path: energy.db}",
        f"contract: {{capacity_kw: {CONTRACT_KW}}}",
        "tariff: {plans: [{name: taipower-hv-three-stage}]}",
        f"weather: {{temperature: {STATION}.temperature, humidity: {STATION}.humidity}}",
        "calendar: taiwan",
        "commodities:",
        "  electricity: {base_year: 2015, meters: [main]}",
        "  water: {base_year: 2016, meters: [water-main]}",
        f"page: {{port: {page_port}}}",
        "buses:",
        "  - id: meters",
        "    kind: modbus_tcp",
        "    host: 127.0.0.1",
        f"    port: {modbus_port}",
        "    every_s: 1",
        "    devices:",
        *(
            f"      - {{id: {id_}, profile: {profile}, unit: {unit}}}"
            for unit, (id_, profile, *_) in enumerate(_ELECTRICITY, start=1)
        ),
        *(
            f"      - {{id: chiller-{n}, profile: trane_pic_rthd, unit: {100 + n}, every_s: 2}}"
            for n in range(1, CHILLERS + 1)
        ),
        "  - id: broker",
        "    kind: mqtt",
        "    host: 127.0.0.1",
        f"    port: {mqtt_port}",
        '    version: "3.1.1"',
        "    devices:",
        *(
            f"      - {{id: {id_}, profile: json_water_meter, topic: cityhall/{id_}, stale_after_s: 60}}"
            for id_, *_ in _WATER
        ),
        *(
            f"      - {{id: {id_}, profile: {profile}, topic: cityhall/{id_}, stale_after_s: 60}}"
            for id_, profile in (("chilled-water", "json_btu_meter"), ("weather", "json_weather_station"))
        ),
        "meters:",
    ]
    for id_, _, zh, en, most in _ELECTRICITY:
        lines += _meter(id_, zh, en, "electricity", "energy_import", "active_power_total", most)
    for id_, zh, en, most in _WATER:
        lines += _meter(id_, zh, en, "water", "volume", "flow", most)
    return "\n".join(lines) + "\n"


def _meter(id_: str, zh: str, en: str, commodity: str, counter: str, rate: str, most: int) -> list[str]:
    return [
        f"  - id: {id_}",
        f"    name: {{zh-TW: {zh}, en: {en}}}",
        f"    commodity: {commodity}",
        f"    counter: {id_}.{counter}",
        f"    rate: {id_}.{rate}",
        f"    max_rate: {most}",
    ]


def past(loaded: LoadedSite, model: Building, now_s: float) -> Iterator[tuple[str, np.ndarray]]:
    """Base year and present half-year so far of every meter that has a counter, as named arrays.

    Yields
    ------
    ``METER/start_s`` and so on as ``History`` names them, then ``METER/tail_ms``, ``METER/tail``: readings
    of the register from the last edge until now.
    """
    today = datetime.fromtimestamp(now_s, UTC).astimezone(ZONE).date()
    half_start = date(today.year, 1 if today.month <= 6 else 7, 1)
    length_s = loaded.site.interval_s
    edge_s = int(now_s // length_s) * length_s
    placed = loaded.placed()
    for meter in loaded.site.meters:
        if meter.formula is not None:
            continue  # it has no register: what it was follows from its parts
        device, _, point = meter.counter.partition(".")
        family = placed[device].profile.family
        year = loaded.site.commodities[meter.commodity].base_year
        spans = [(date(year, 1, 1), date(year + 1, 1, 1))]
        # The days before the half-year belong to the charts that look back.
        spans.append((half_start - timedelta(days=31), today))
        parts = [
            meter_intervals(
                model, device, _start_s(first), min(edge_s, _start_s(last)), length_s, family=family
            )
            for first, last in spans
        ]
        parts.append(meter_intervals(model, device, _start_s(today), edge_s, length_s, family=family))
        yield from _arrays(meter, parts)
        times_s = np.arange(edge_s, now_s, TAIL_STEP_S, dtype=np.float64)
        register = model.counter(model.source(device, family), times_s)
        yield f"{meter.id}/tail_ms", np.round(times_s * 1000).astype(np.int64)
        yield f"{meter.id}/tail", _as_shown(placed[device].profile, point, register)


def weather_past(loaded: LoadedSite, model: Building, now_s: float) -> dict[str, np.ndarray]:
    """Hours of the station over the same spans: ``STATION/start_s``, ``STATION/temperature`` and so on."""
    today = datetime.fromtimestamp(now_s, UTC).astimezone(ZONE).date()
    years = [one.base_year for one in loaded.site.commodities.values()]
    half_start = date(today.year, 1 if today.month <= 6 else 7, 1)
    spans = [(_start_s(date(year, 1, 1)), _start_s(date(year + 1, 1, 1))) for year in sorted(set(years))]
    spans.append((max(spans[-1][1], _start_s(half_start - timedelta(days=31))), int(now_s)))
    start_s = np.concatenate([np.arange(first, last // 3600 * 3600, 3600) for first, last in spans])
    return {
        f"{STATION}/start_s": start_s,
        f"{STATION}/temperature": model.gauge("dry_bulb_c", start_s + 1800),
        f"{STATION}/humidity": model.gauge("humidity_pct", start_s + 1800),
    }


def _arrays(meter: MeterSettings, parts: list[History]) -> Iterator[tuple[str, np.ndarray]]:
    durations = [np.full(len(part), part.duration_s, dtype=np.int64) for part in parts]
    yield f"{meter.id}/duration_s", np.concatenate(durations)
    for name in ("start_s", "quantity", "register_start", "register_end", "rate_avg", "rate_max", "rate_min"):
        yield f"{meter.id}/{name}", np.concatenate([getattr(part, name) for part in parts])


def _as_shown(profile: ModbusProfile | MqttProfile, point: str, register: np.ndarray) -> np.ndarray:
    """The register with the digits that a 32-bit float leaves it."""
    if not isinstance(profile, ModbusProfile):
        return register
    shown: RegisterPoint = register_points(profile, [point])[0]
    if shown.type is not RegisterType.F32:
        return register
    raw = ((register - shown.offset) / shown.scale).astype(np.float32)
    return raw.astype(np.float64) * shown.scale + shown.offset


def _start_s(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=ZONE).timestamp())


def main() -> int:
    """Write ``site.yaml`` and ``past.npz`` into a folder."""
    parser = argparse.ArgumentParser(prog="python -m simulators.demo")
    parser.add_argument("folder", type=Path)
    for name in ("--modbus-port", "--mqtt-port", "--page-port"):
        parser.add_argument(name, type=int, required=True)
    wishes = parser.parse_args()
    site = wishes.folder / "site.yaml"
    site.write_text(site_yaml(wishes.modbus_port, wishes.mqtt_port, wishes.page_port), encoding="utf-8")
    loaded = load_site(site)
    model, now_s = Building(), machine_s()
    arrays: Any = dict(past(loaded, model, now_s)) | weather_past(loaded, model, now_s)
    np.savez(wishes.folder / PAST_FILE, **arrays)
    return 0


if __name__ == "__main__":
    sys.exit(main())
