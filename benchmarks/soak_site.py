"""The site that is soaked: many meters, some of which misbehave by a script that a seed has written.

Four units share a port, as meters behind a gateway do: a thousand devices are 250 connections, and a unit
that stays silent costs its three neighbours time. The bus's timeout is a quarter of a second, what a
gateway with 1 Hz polls allows, and a question is asked again twice before its poll is given up: one lost
answer is no missed reading.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.servers import free_port

UNITS_A_PORT = 4
TIMEOUT_S = 0.25
RETRIES = 2
MISBEHAVING = 0.10
MAX_RATE_KW = 500
MAIN_METERS = 5
FIRST_S, LAST_S = 15, 35
"""Of each minute: when a device with a script begins and ends to misbehave."""

_GAUGES = (
    "active_power_total", "active_power_l1", "active_power_l2", "active_power_l3", "reactive_power_total",
    "apparent_power_total", "power_factor_total", "power_factor_l1", "power_factor_l2", "power_factor_l3",
    "voltage_ln_avg", "voltage_ll_avg", "voltage_ln_l1", "voltage_ln_l2", "voltage_ln_l3", "voltage_ll_l1",
    "voltage_ll_l2", "voltage_ll_l3", "current_avg", "current_sum", "current_l1", "current_l2", "current_l3",
    "frequency", "demand_total", "demand_total_max", "demand_import_max",
)  # fmt: skip
_COUNTERS = ("energy_import", "energy_export", "energy_total")
_UNITS = {
    "active": "kW", "reactive": "kvar", "apparent": "kVA", "power": "", "voltage": "V", "current": "A",
    "frequency": "Hz", "demand": "kW", "energy": "kWh",
}  # fmt: skip

# What a tenth of the meters do, each one of these, now and then or all the time.
_KINDS: tuple[dict[str, object], ...] = (
    {"kind": "silent"},
    {"kind": "slow", "after_ms": 180},
    {"kind": "slow", "after_ms": 400},
    {"kind": "dripping", "gap_ms": 3},
    {"kind": "refusing", "code": 4},
    {"kind": "refusing", "code": 6},
    {"kind": "refusing", "code": 11},
    {"kind": "foreign_unit"},
    {"kind": "foreign_transaction"},
    {"kind": "late"},
    {"kind": "cutting"},
    {"kind": "cutting", "then": "close"},
    {"kind": "closing"},
    {"kind": "garbage"},
    {"kind": "wrong_count"},
    {"kind": "zero", "every": 7},
    {"kind": "spiking", "by": 50_000, "every": 11},
    {"kind": "resetting"},
    {"kind": "rolling_over", "before": 0.02, "modulus": 1_000_000},
    {"kind": "stuck"},
    {"kind": "frozen"},
    {"kind": "invalid"},
)


@dataclass(frozen=True, slots=True)
class Plan:
    """How many devices there are, what each shows, and which misbehave.

    ``ports`` : first of each gateway's; ``bad`` : ids of the devices that misbehave.
    """

    devices: int
    points: int
    interval_s: int
    seed: int
    ports: tuple[int, ...]

    @property
    def ids(self) -> list[str]:
        """Every device."""
        return [f"meter-{n:04}" for n in range(self.devices)]

    @property
    def bad(self) -> frozenset[str]:
        """The devices that misbehave."""
        dice = random.Random(self.seed)
        return frozenset(dice.sample(self.ids, max(1, round(MISBEHAVING * self.devices))))

    @property
    def incurable(self) -> frozenset[str]:
        """Those that misbehave all the time; the others do it for 20 s of each minute."""
        if len(self.bad) <= len(_KINDS):
            return frozenset()
        worst = enumerate(sorted(self.bad))
        return frozenset(device for number, device in worst if number // len(_KINDS) % 2 == 0)

    def gateway(self, device: str) -> int:
        """Port of a device."""
        return self.ports[self.ids.index(device) // UNITS_A_PORT]

    def names(self) -> list[str]:
        """What each device shows: a counter, its rate, and others."""
        gauges = _GAUGES[: max(1, self.points - len(_COUNTERS))]
        return [*_COUNTERS[: self.points - len(gauges)], *gauges]


def make_plan(devices: int, points: int, interval_s: int, seed: int) -> Plan:
    """A plan on ports that are free now."""
    count = -(-devices // UNITS_A_PORT)
    return Plan(devices, points, interval_s, seed, tuple(free_port() for _ in range(count)))


def write_site(folder: Path, plan: Plan, series_url: str, seconds: float) -> Path:
    """``site.yaml``, its profile, and ``faults.yaml`` beside it, whose scripts end before ``seconds``."""
    (folder / "soak_meter.yaml").write_text("\n".join(_profile(plan)) + "\n", encoding="utf-8")
    (folder / "faults.yaml").write_text("\n".join(_faults(plan, seconds)) + "\n", encoding="utf-8")
    site = folder / "site.yaml"
    site.write_text("\n".join(_site(plan, series_url)) + "\n", encoding="utf-8")
    return site


def _profile(plan: Plan) -> Iterator[str]:
    yield "profile: soak_meter\nversion: 1\nmaker: any\nmodel: Thirty values in one block"
    yield "family: electricity\nsource: [benchmarks]\ntransport: modbus\npoints:"
    for place, name in enumerate(plan.names()):
        unit = _UNITS["power" if name.startswith("power_factor") else name.split("_", 1)[0]]
        yield f"  {name}: {{address: {2 * place}, type: f32, unit: '{unit}'}}"


def _site(plan: Plan, series_url: str) -> Iterator[str]:
    yield "site: {id: soak, name: {zh-TW: 耐久測試, en: Soak}, timezone: Asia/Taipei, language: en}"
    yield "store: {path: energy.db}"
    yield f"interval_s: {plan.interval_s}"
    # What a site adds up is its few main meters; the others are sub-meters.
    mains = [device for device in plan.ids if device not in plan.bad][:MAIN_METERS]
    yield f"commodities:\n  electricity: {{base_year: 2015, meters: [{', '.join(mains)}]}}"
    yield "buses:\n  - id: gateways\n    kind: modbus_tcp\n    host: 127.0.0.1"
    yield f"    every_s: 1\n    timeout_s: {TIMEOUT_S}\n    retries: {RETRIES}\n    devices:"
    for number, device in enumerate(plan.ids):
        port, unit = plan.ports[number // UNITS_A_PORT], 1 + number % UNITS_A_PORT
        yield f"      - {{id: {device}, profile: soak_meter.yaml, port: {port}, unit: {unit}}}"
    yield "meters:"
    for device in plan.ids:
        name = f"{{zh-TW: {device}, en: {device}}}"
        yield f"  - {{id: {device}, name: {name}, commodity: electricity, counter: {device}.energy_import,"
        yield f"     rate: {device}.active_power_total, max_rate: {MAX_RATE_KW}}}"
    yield f"sinks: [{{id: series, kind: influxdb, url: '{series_url}', bucket: energy}}]"


def _faults(plan: Plan, seconds: float) -> Iterator[str]:
    """Half of the misbehaving devices do it all the time, half for 20 s of each minute."""
    yield f"seed: {plan.seed}\nfaults:"
    kinds = random.Random(plan.seed).sample(_KINDS, len(_KINDS))
    for number, device in enumerate(sorted(plan.bad)):
        said = ", ".join(f"{key}: {value}" for key, value in kinds[number % len(kinds)].items())
        if device in plan.incurable:
            yield f"  - {{device: {device}, {said}}}"
            continue
        for minute in range(int((seconds - LAST_S) // 60) + 1):
            from_s, for_s = 60 * minute + FIRST_S, LAST_S - FIRST_S
            yield f"  - {{device: {device}, {said}, from_s: {from_s}, for_s: {for_s}}}"
