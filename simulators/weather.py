"""Taipei's weather by season and hour: temperature, humidity, wet bulb and rain."""

from dataclasses import dataclass

import numpy as np

from simulators.grid import DAY_NODES, Floats, Nodes, daily_shape

_MID_MONTHS = (np.arange(12) + 0.5) / 12

# Normals of the Taipei station 1991-2020 (Central Weather Administration), January to December.
_MEAN_C = np.array([15.9, 17.2, 18.6, 22.5, 25.8, 28.3, 30.1, 29.0, 27.8, 24.7, 22.0, 18.8])
_HIGH_C = np.array([19.6, 20.7, 22.9, 26.7, 30.1, 32.9, 35.0, 34.4, 31.6, 27.8, 24.9, 21.1])
_LOW_C = np.array([13.0, 14.7, 16.2, 19.4, 22.8, 25.3, 26.8, 26.6, 25.2, 22.6, 19.8, 16.1])

# Dew point under the mean: the station's mean humidity is 72 to 80 % in every month.
_DEPRESSION_K = np.array([4.0, 3.7, 4.0, 4.3, 4.3, 4.2, 5.2, 4.6, 4.6, 4.6, 4.2, 4.2])

# How often it rains (level that the wetness noise must pass) and how hard when it does.
_RAIN_LEVEL = np.array([0.36, 0.30, 0.30, 0.34, 0.38, 0.42, 0.50, 0.46, 0.44, 0.38, 0.40, 0.37])
_RAIN_MM_H = np.array([11.0, 19.0, 18.0, 23.0, 43.0, 88.0, 115.0, 105.0, 108.0, 33.0, 15.0, 11.0])

# The course of a day around its mean, +1 at the high and -1 at the low.
_DAY_COURSE = daily_shape(
    (0, -0.62), (3, -0.85), (5.5, -1), (8, -0.25), (11, 0.75), (13, 1), (16, 0.6), (20, -0.2)
)

_WANDER, _SPELL, _MOIST, _CLOUD, _WET_LONG, _WET_SHORT, _AIR = range(100, 107)


@dataclass(frozen=True, slots=True)
class Weather:
    """Weather at a run of nodes; all (n,) float64."""

    dry_bulb_c: Floats
    humidity_pct: Floats
    wet_bulb_c: Floats
    rain_mmh: Floats


def seasonal(nodes: Nodes, monthly: Floats) -> Floats:
    """(n,) twelve monthly levels as a smooth course of the year."""
    return np.interp(nodes.year_fraction, _MID_MONTHS, monthly, period=1.0)


def wet_bulb(dry_bulb_c: Floats, humidity_pct: Floats) -> Floats:
    """Wet-bulb temperature, in degC, of air at sea level.

    Parameters
    ----------
    dry_bulb_c : (n,) float64, -20 to 50. [degC]
    humidity_pct : (n,) float64, 5 to 99. [%]

    References
    ----------
    .. [1] R. Stull, Wet-Bulb Temperature from Relative Humidity and Air Temperature, 2011,
       doi:10.1175/JAMC-D-11-0143.1. Error -1.0 to +0.65 K.

    Examples
    --------
    >>> round(float(wet_bulb(np.float64(20.0), np.float64(50.0))), 3)
    13.699
    """
    t, rh = dry_bulb_c, humidity_pct
    return np.asarray(
        t * np.arctan(0.151977 * np.sqrt(rh + 8.313659))
        + np.arctan(t + rh)
        - np.arctan(rh - 1.676331)
        + 0.00391838 * rh * np.sqrt(rh) * np.arctan(0.023101 * rh)
        - 4.686035
    )


def _vapour_pressure(temperature_c: Floats) -> Floats:
    """Saturation pressure by Magnus, up to a factor that cancels."""
    return np.asarray(np.exp(17.625 * temperature_c / (243.04 + temperature_c)))


def _rain(nodes: Nodes) -> Floats:
    wetness = 0.7 * nodes.drift(_WET_LONG, 9 * 12) + 0.3 * nodes.drift(_WET_SHORT, 8)
    excess = np.maximum(0.0, wetness - seasonal(nodes, _RAIN_LEVEL))
    return np.asarray(seasonal(nodes, _RAIN_MM_H) * excess * excess)


def weather(nodes: Nodes) -> Weather:
    """The weather at each node."""
    rain_mmh = _rain(nodes)
    cold_season = seasonal(nodes, np.clip((24.0 - _MEAN_C) / 8.0, 0.0, 1.0))
    anomaly_k = (1.5 + 2.2 * cold_season) * (
        0.7 * nodes.drift(_WANDER, 2 * DAY_NODES) + 0.6 * nodes.drift(_SPELL, 9 * DAY_NODES)
    )
    clear = 0.8 + 0.35 * nodes.drift(_CLOUD, DAY_NODES)
    swing_k = seasonal(nodes, (_HIGH_C - _LOW_C) / 2)
    dry_bulb_c = (
        seasonal(nodes, _MEAN_C)
        + anomaly_k
        + swing_k * clear * _DAY_COURSE[nodes.slot]
        - np.minimum(2.5, 0.4 * rain_mmh)
        + 0.1 * nodes.jitter(_AIR)
    )
    dew_point_c = (
        seasonal(nodes, _MEAN_C - _DEPRESSION_K)
        + 0.8 * anomaly_k
        + 1.6 * nodes.drift(_MOIST, DAY_NODES)
        + np.minimum(1.5, 0.5 * rain_mmh)
    )
    humidity_pct = np.clip(100.0 * _vapour_pressure(dew_point_c) / _vapour_pressure(dry_bulb_c), 32.0, 98.5)
    return Weather(dry_bulb_c, humidity_pct, wet_bulb(dry_bulb_c, humidity_pct), rain_mmh)
