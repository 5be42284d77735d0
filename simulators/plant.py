"""The chilled-water plant: five chillers that share a load, their pumps and cooling towers."""

from dataclasses import dataclass

import numpy as np

from simulators.grid import Floats, Integers, Nodes, daily_shape
from simulators.occupancy import Presence
from simulators.weather import Weather

CHILLERS = 5
RATED_RT = 600.0
KW_PER_RT = 3.517
RATED_CHILLER_KW = 0.62 * RATED_RT
SUPPLY_SETPOINT_C = 7.0
WATER_KJ_PER_L_K = 4.186
CHW_FLOW_LS = RATED_RT * KW_PER_RT / (WATER_KJ_PER_L_K * 5.5)  # at full load, 5.5 K apart
CW_FLOW_LS = RATED_RT * (KW_PER_RT + 0.62) / (WATER_KJ_PER_L_K * 5.0)

STAGE_NODES = 6  # staging is decided for half an hour: longer than the least running time of a stage
_STAGE_AT = 0.90  # the share of the running chillers' capacity that calls the next one
_LEAST_RT = 45.0  # under this the plant rests and the loop's water carries the load
_WEAR = (1.0, 1.01, 0.98, 1.08, 1.02)  # number 4 is fouled

_HOURS = daily_shape((0, 0.0), (6.5, 0.0), (7.5, 1.0), (17.5, 1.0), (18.5, 0.25), (21, 0.1), (22, 0.0))
_LOAD, _LOOP, _SENSOR = 400, 401, 402


@dataclass(frozen=True, slots=True)
class Plant:
    """The plant at a run of nodes; all float64.

    ``cooling_kw``, ``chiller_kw`` : (5, n); ``pumps_kw``, ``towers_kw``, ``cw_supply_c``, ``chw_supply_c``,
    ``rejected_kw`` (heat given to the air) : (n,).
    """

    cooling_kw: Floats
    chiller_kw: Floats
    pumps_kw: Floats
    towers_kw: Floats
    cw_supply_c: Floats
    chw_supply_c: Floats
    rejected_kw: Floats


def cooling_load_rt(nodes: Nodes, air: Weather, people: Presence) -> Floats:
    """(n,) what the building asks for, in refrigeration tons: it follows wet bulb and occupancy."""
    mugginess = np.clip((air.wet_bulb_c - 11.0) / 16.0, 0.0, 1.15)
    hours = np.where(people.workday, _HOURS[nodes.slot], 0.12 * _HOURS[nodes.slot])
    by_day = hours * (330.0 + 1560.0 * mugginess**1.3 * (0.7 + 0.3 * people.occupancy))
    around_the_clock = 90.0 + 270.0 * mugginess  # server rooms and the duty offices
    return np.asarray((by_day + around_the_clock) * (1.0 + 0.04 * nodes.drift(_LOAD, 8)))


def _running(nodes: Nodes, load_rt: Floats) -> Integers:
    """(n,) how many chillers run, constant over each half-hour; ``nodes`` begin on one."""
    edges = load_rt[::STAGE_NODES]
    peak_rt = np.maximum(edges[:-1], edges[1:])
    count = np.ceil(peak_rt / (_STAGE_AT * RATED_RT)).astype(np.int64).clip(0, CHILLERS)
    count[peak_rt < _LEAST_RT] = 0
    return np.append(np.repeat(count, STAGE_NODES), count[-1])[: nodes.count]


def chiller_kw(cooling_kw: Floats, cw_supply_c: Floats) -> Floats:
    """Electric kW of a running chiller of the plant, before wear.

    Parameters
    ----------
    cooling_kw : (n,) float64, 0 to the rated ``RATED_RT * KW_PER_RT``. [kW thermal]
    cw_supply_c : (n,) float64, condenser water coming in; each kelvin costs 1.8 %. [degC]
    """
    part = cooling_kw / (RATED_RT * KW_PER_RT)
    lift = 1.0 + 0.018 * (cw_supply_c - 29.5)
    return np.asarray(RATED_CHILLER_KW * (0.14 + 0.54 * part + 0.32 * part * part) * lift)


def plant(nodes: Nodes, air: Weather, people: Presence) -> Plant:
    """The plant at each node; ``nodes`` begin on a half-hour and hold whole half-hours and one more node."""
    load_rt = cooling_load_rt(nodes, air, people)
    running = _running(nodes, load_rt)
    part = np.minimum(1.0, load_rt / (np.maximum(running, 1) * RATED_RT))
    fraction = running / CHILLERS * part
    cw_supply_c = np.maximum(20.0, air.wet_bulb_c + 2.6 + 2.2 * fraction) + 0.1 * nodes.jitter(_SENSOR)
    lead = ((nodes.days + 3) // 7 % CHILLERS)[nodes.day_index]  # another chiller leads each week
    share_kw = part * RATED_RT * KW_PER_RT
    share_electric_kw = chiller_kw(share_kw, cw_supply_c)
    on = np.stack([(number - lead) % CHILLERS < running for number in range(CHILLERS)])
    cooling_kw = np.where(on, share_kw, 0.0)
    electric_kw = np.where(on, share_electric_kw * np.array(_WEAR)[:, None], 1.2)  # 1.2 kW: oil heater
    return Plant(
        cooling_kw=cooling_kw,
        chiller_kw=electric_kw,
        pumps_kw=running * 52.0 + 210.0 * fraction**1.5 + 6.0,
        towers_kw=running * 24.0 * (0.25 + 0.75 * part**2.5) + 0.8,
        cw_supply_c=cw_supply_c,
        chw_supply_c=SUPPLY_SETPOINT_C
        + np.where(running > 0, 0.2, 4.5)
        + 0.15 * nodes.drift(_LOOP, 6)
        + 0.6 * np.maximum(0.0, part - 0.9),
        rejected_kw=(cooling_kw + np.where(on, electric_kw, 0.0)).sum(axis=0),
    )
