"""Moisture as a second driver of chilled water: wet bulb or enthalpy of whole series."""

import numpy as np

from rules.humidity import wet_bulb_c
from rules.models.observations import Floats

SEA_LEVEL_KPA = 101.325


def wet_bulbs_c(temperature_c: Floats, humidity_pct: Floats) -> Floats:
    """(n,) wet-bulb temperatures, NaN where the formula of ``rules.humidity`` does not reach. [degC]"""
    pairs = zip(temperature_c.tolist(), humidity_pct.tolist(), strict=True)
    return np.array([wet_bulb_c(t, rh) for t, rh in pairs], dtype=np.float64)


def enthalpy_kj_kg(
    temperature_c: Floats, humidity_pct: Floats, pressure_kpa: float = SEA_LEVEL_KPA
) -> Floats:
    """(n,) specific enthalpy of moist air for a kilogram of dry air; NaN where humidity is not 0 to 100.
    [kJ/kg]

    h = 1.006 T + w (2501 + 1.86 T), w = 0.621945 p_w / (p - p_w).

    Parameters
    ----------
    temperature_c, humidity_pct : (n,) dry bulb [degC] and relative humidity [%], NaN = missing.

    References
    ----------
    .. [1] ASHRAE Handbook, Fundamentals (2017), chapter 1, equations 20 and 30.
    .. [2] Alduchov and Eskridge (1996), Improved Magnus Form Approximation of Saturation Vapor Pressure,
       J. Appl. Meteor. 35, 601-609: p_ws = 0.61094 exp(17.625 T / (T + 243.04)), good to 0.4 % from -40 to
       50 degC.

    Examples
    --------
    >>> round(float(enthalpy_kj_kg(np.array([25.0]), np.array([50.0]))[0]), 1)
    50.3
    """
    saturation = 0.61094 * np.exp(17.625 * temperature_c / (temperature_c + 243.04))
    vapour = humidity_pct / 100.0 * saturation
    ratio = 0.621945 * vapour / (pressure_kpa - vapour)
    enthalpy = 1.006 * temperature_c + ratio * (2501.0 + 1.86 * temperature_c)
    return np.where((humidity_pct >= 0) & (humidity_pct <= 100), enthalpy, np.nan)
