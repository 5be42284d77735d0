"""Chillers and weather of the page."""

import math

from monitor.web.plan import ChillerPlan, PointAt, SitePlan
from monitor.web.reading import Reading, combined, missing
from monitor.web.readings import Board
from monitor.web.snapshot import ChillerState, PlantState
from rules.chiller import cooling_kw, kw_per_rt, refrigeration_tons
from rules.humidity import wet_bulb_c
from rules.quality import Quality

FORMULA_NOTE = "page.note_wet_bulb"


def plant_state(board: Board, plan: SitePlan, now_ms: int) -> PlantState | None:
    """All chillers of the site; None when it has none.

    The efficiency is power over measured cooling: of the meters on the common header where there are any,
    else of every chiller's own flow. Where neither is measured nothing is guessed.
    """
    if not plan.chillers:
        return None
    chillers = tuple(_chiller(board, chiller, now_ms) for chiller in plan.chillers)
    power = _sum_of_powers(board, plan, now_ms)
    cooling = [_header(board, device) for device in plan.headers]
    cooling = cooling or [chiller.cooling_kw for chiller in chillers]
    if not all(one.known for one in cooling):
        note = "page.note_some_flow" if any(one.known for one in cooling) else "page.note_no_flow"
        return PlantState(power, missing("RT", note), missing("kW/RT", note), chillers)
    tons = combined(cooling, "RT", lambda kilowatts: refrigeration_tons(sum(kilowatts)))
    efficiency = combined([power, combined(cooling, "kW", sum)], "kW/RT", lambda v: kw_per_rt(v[0], v[1]))
    if power.whole and not efficiency.known:
        efficiency = missing("kW/RT", "page.note_no_cooling")
    return PlantState(power, tons, efficiency, chillers)


def _sum_of_powers(board: Board, plan: SitePlan, now_ms: int) -> Reading:
    if any(chiller.power is None for chiller in plan.chillers):
        return missing("kW", "page.note_no_chiller_meter")
    return board.rates([chiller.power for chiller in plan.chillers if chiller.power], "kW", now_ms)


def _header(board: Board, device: str) -> Reading:
    """Cooling of all chillers together: as the meter on the header says, or its flow and temperatures."""
    told = board.point(PointAt(device, "cooling_power"), "kW")
    return told if told.known else _cooling(board, device)


def _cooling(board: Board, device: str) -> Reading:
    parts = [
        board.point(PointAt(device, name), unit)
        for name, unit in (("chw_flow", "L/s"), ("chw_supply_temp", "degC"), ("chw_return_temp", "degC"))
    ]
    return combined(parts, "kW", lambda v: max(0.0, cooling_kw(v[0], v[1], v[2])))


def _chiller(board: Board, plan: ChillerPlan, now_ms: int) -> ChillerState:
    def point(name: str, unit: str) -> Reading:
        return board.point(PointAt(plan.device, name), unit)

    return ChillerState(
        device=plan.device,
        power=board.rate(plan.power, "kW", now_ms) if plan.power else missing("kW"),
        load_pct=point("capacity_rla", "%"),
        supply_c=point("chw_supply_temp", "degC"),
        return_c=point("chw_return_temp", "degC"),
        cooling_kw=_cooling(board, plan.device),
    )


def air(board: Board, plan: SitePlan) -> tuple[Reading, Reading, Reading]:
    """Temperature, humidity and wet bulb outdoors, of the first weather device that knows them."""

    def point(name: str, unit: str) -> Reading:
        found = [board.point(PointAt(device, name), unit) for device in plan.weather]
        return next((one for one in found if one.known), missing(unit))

    temperature, humidity = point("temperature", "degC"), point("humidity", "%")
    wet_bulb = point("wet_bulb", "degC")
    if not wet_bulb.known:
        both = combined([temperature, humidity], "degC", lambda v: wet_bulb_c(v[0], v[1]))
        if both.known and math.isfinite(both.value):
            quality = max(both.quality, Quality.ESTIMATED)
            wet_bulb = Reading(both.value, "degC", quality, both.at_ms, both.stale_after_ms, FORMULA_NOTE)
    return temperature, humidity, wet_bulb
