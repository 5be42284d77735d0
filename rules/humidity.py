"""Moist air."""

from math import atan, sqrt

STULL_HUMIDITY_PCT = (5.0, 99.0)
STULL_TEMPERATURE_C = (-20.0, 50.0)


def wet_bulb_c(temperature_c: float, humidity_pct: float) -> float:
    """Wet-bulb temperature at sea level; NaN outside the formula's range. [degC]

    The error of the formula is -1.0 to +0.65 K, so what it gives is an estimate.

    Parameters
    ----------
    temperature_c : dry bulb, -20 to 50. [degC]
    humidity_pct : relative humidity, 5 to 99. [%]

    References
    ----------
    .. [1] Stull, R. (2011), Wet-Bulb Temperature from Relative Humidity and Air Temperature,
       J. Appl. Meteor. Climatol. 50, 2267-2269, equation 1.

    Examples
    --------
    >>> round(wet_bulb_c(20.0, 50.0), 3)
    13.699
    """
    low, high = STULL_HUMIDITY_PCT
    coldest, hottest = STULL_TEMPERATURE_C
    if not (low <= humidity_pct <= high and coldest <= temperature_c <= hottest):
        return float("nan")
    return (
        temperature_c * atan(0.151977 * sqrt(humidity_pct + 8.313659))
        + atan(temperature_c + humidity_pct)
        - atan(humidity_pct - 1.676331)
        + 0.00391838 * humidity_pct * sqrt(humidity_pct) * atan(0.023101 * humidity_pct)
        - 4.686035
    )
