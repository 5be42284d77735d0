"""A building from a formula, without chance: the same numbers here and in every oracle's environment."""

import numpy as np

HOURS = 8760
START = np.datetime64("2018-01-01T00", "h")  # a Monday


def hours():
    """Start, temperature [degF] and use [kWh] of each hour of a year."""
    hour = np.arange(HOURS)
    day, of_day = hour / 24.0, hour % 24
    temperature = (
        58.0
        - 24.0 * np.cos(2 * np.pi * (day - 20) / 365.0)
        + 8.0 * np.sin(2 * np.pi * (of_day - 9) / 24.0)
        + 5.0 * np.sin(1.7 * day)
        + 4.0 * np.sin(0.613 * day + 1.0)
    )
    working = ((hour // 24) % 7 < 5) & (of_day >= 7) & (of_day < 19)
    cooling = np.maximum(temperature - 63.0, 0) * np.where(working, 2.1, 0.7)
    heating = np.maximum(48.0 - temperature, 0) * np.where(working, 1.3, 0.9)
    unknown = 4.0 * np.sin(0.91 * day) + 3.0 * np.sin(2.37 * hour) + 2.0 * np.sin(0.137 * hour**1.1)
    return START + hour, temperature, 60.0 + 55.0 * working + cooling + heating + unknown


def days():
    """Start, mean temperature [degF] and use [kWh] of each day of the year."""
    start, temperature, use = hours()
    return start[::24], temperature.reshape(-1, 24).mean(axis=1), use.reshape(-1, 24).sum(axis=1)
