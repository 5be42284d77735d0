"""Everything the page shows as numbers with units, for other programs."""

from dataclasses import asdict
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from monitor.store.counts import CountsRow
from monitor.web.halfyear import HalfYear
from monitor.web.reading import Lack, Reading
from monitor.web.snapshot import DeviceState, OpenWindow, PlantState, Snapshot, finite
from monitor.web.wording import quality_of
from rules.savings import Direction


def structured(snapshot: Snapshot, site: str) -> dict[str, Any]:
    """The snapshot as a JSON object; instants are ISO 8601 in UTC, null is not known."""

    def reading(one: Reading) -> dict[str, Any]:
        return {
            "value": finite(one.value),
            "unit": one.unit,
            "quality": quality_of(one),
            "at": instant(one.at_ms),
            "stale": one.is_stale(snapshot.now_ms),
            **_without(one.lacks),
        }

    return {
        "site": site,
        "now": instant(snapshot.now_ms),
        "newest": instant(snapshot.newest_ms),
        "stopped_since": instant(snapshot.stopped_ms),
        "trouble": snapshot.trouble,
        "contract_kw": snapshot.contract_kw,
        "power": reading(snapshot.power),
        "window": _window(snapshot.window, snapshot.contract_kw, reading),
        "electricity_today": reading(snapshot.today),
        "half_years": {str(key): _half(half) for key, half in snapshot.half_years.items()},
        "plant": _plant(snapshot.plant, reading),
        "water_flow": reading(snapshot.flow),
        "water_today": reading(snapshot.water_today),
        "temperature": reading(snapshot.temperature),
        "humidity": reading(snapshot.humidity),
        "wet_bulb": reading(snapshot.wet_bulb),
        "devices": [_device(device) for device in snapshot.devices],
        "demand": snapshot.demand_error,
        "openadr": snapshot.openadr_error,
        "clock": snapshot.clock_error,
        "store": list(snapshot.store_troubles),
        "events": list(snapshot.events),
        "limiter": snapshot.limiter,
        "expected": [one.as_data() for one in snapshot.expected],
    }


def _without(lacks: tuple[Lack, ...]) -> dict[str, Any]:
    if not lacks:
        return {}
    return {"without": [{"meter": lack.meter, "since": instant(lack.since_ms)} for lack in lacks]}


def instant(at_ms: int | None) -> str | None:
    """ISO 8601 in UTC."""
    if at_ms is None:
        return None
    return datetime.fromtimestamp(at_ms / 1000, tz=UTC).isoformat(timespec="milliseconds")


def _window(window: OpenWindow | None, contract_kw: float | None, reading: Any) -> dict[str, Any] | None:
    if window is None:
        return None
    demand = window.demand
    return {
        "start": instant(demand.start_s * 1000),
        "duration_s": demand.duration_s,
        "elapsed_s": round(demand.elapsed_s, 3),
        "energy": reading(window.reading),
        "mean_kw": finite(demand.mean_kw),
        "projected_kw": finite(demand.projected_kw),
        "headroom_kw": None if contract_kw is None else finite(demand.headroom_kw(contract_kw)),
        "shed_kw": None if contract_kw is None else finite(demand.shed_kw(contract_kw)),
    }


def _half(half: HalfYear) -> dict[str, Any]:
    told = asdict(half)
    del told["change"]
    told |= {"first": half.first.isoformat(), "last": half.last.isoformat()}
    told |= {"actual": _figure(half.actual), "base": _figure(half.base)}
    percent = _figure(half.change.percent)
    told["percent"] = -percent if percent and half.change.direction is Direction.DECREASE else percent
    told["months"] = [
        {"month": pair.month, "actual": finite(pair.actual), "base": finite(pair.base)}
        for pair in half.months
    ]
    return told


def _figure(one: Decimal | None) -> float | None:
    return None if one is None else float(one)


def _plant(plant: PlantState | None, reading: Any) -> dict[str, Any] | None:
    if plant is None:
        return None
    return {
        "power": reading(plant.power),
        "cooling": reading(plant.tons),
        "efficiency": reading(plant.kw_per_rt),
        "chillers": [
            {
                "device": chiller.device,
                "power": reading(chiller.power),
                "load": reading(chiller.load_pct),
                "chw_supply": reading(chiller.supply_c),
                "chw_return": reading(chiller.return_c),
                "cooling": reading(chiller.cooling_kw),
            }
            for chiller in plant.chillers
        ],
    }


def _counts(row: CountsRow | None) -> dict[str, Any] | None:
    return None if row is None else {"since": instant(row.since_ms), "at": instant(row.at_ms), **row.counts}


def _device(device: DeviceState) -> dict[str, Any]:
    formula = {"formula": device.formula} if device.formula else {}
    return {
        "id": device.id,
        **formula,
        "condition": device.condition,
        "since": instant(device.since_ms),
        "error": device.error,
        "heard": instant(device.heard_ms),
        "refused_24h": device.refused,
        "findings": [{"meter": one.meter, **one.as_data()} for one in device.findings],
        "doubts": [one.as_data() for one in device.doubts],
        "counts": _counts(device.counts),
    }
