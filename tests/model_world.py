"""Buildings whose saving is known: hourly use from weather, occupancy and chance, with a measure planted
in it.

Two years from a Monday: the base year, and the one that is reported. Taipei's weather in shape: 17 to 30
degC over the year, warm afternoons, weather that stays for days.
"""

from dataclasses import dataclass

import numpy as np

from rules.models.observations import BaselineSeries, Conditions, Floats, ReportingSeries

HOURS = 24
YEAR_D = 365
BEGIN = np.datetime64("2018-01-01", "s")
DAYS = 2 * YEAR_D + 1


def persistent(rng: np.random.Generator, n: int, rho: float) -> Floats:
    """Noise of size 1 in which each value remembers the one before it."""
    shocks = rng.standard_normal(n) * np.sqrt(1 - rho * rho)
    values = np.empty(n)
    values[0] = rng.standard_normal()
    for at in range(1, n):
        values[at] = rho * values[at - 1] + shocks[at]
    return values


@dataclass(frozen=True)
class World:
    """Hours of two years: temperature [degC], hour of the week, use [kWh] without a measure, and its
    chance alone.
    """

    temperature: Floats
    cell: np.ndarray
    use: Floats

    @property
    def start(self) -> np.ndarray:
        return BEGIN + np.arange(len(self.use)) * np.timedelta64(3600, "s")

    def hourly(self, saving: float = 0.0, days: int = 182) -> tuple[BaselineSeries, ReportingSeries]:
        """Base year and the days after it, with a share saved."""
        until = YEAR_D * HOURS
        after = slice(until, until + days * HOURS)
        base = BaselineSeries(
            self.start[:until], self.use[:until], Conditions(self.temperature[:until], self.cell[:until])
        )
        use = self.use[after] * (1 - saving)
        return base, ReportingSeries(
            self.start[after], use, Conditions(self.temperature[after], self.cell[after])
        )

    def daily(self, saving: float = 0.0, days: int = 182) -> tuple[BaselineSeries, ReportingSeries]:
        """The same by day; cells are days of the week."""
        use = self.use.reshape(-1, HOURS).sum(axis=1)
        temperature = self.temperature.reshape(-1, HOURS).mean(axis=1)
        cell = np.arange(len(use)) % 7
        start = self.start[::HOURS]
        after = slice(YEAR_D, YEAR_D + days)
        base = BaselineSeries(start[:YEAR_D], use[:YEAR_D], Conditions(temperature[:YEAR_D], cell[:YEAR_D]))
        return base, ReportingSeries(
            start[after], use[after] * (1 - saving), Conditions(temperature[after], cell[after])
        )


def planted_world(seed: int, noise: float = 0.03, rho: float = 0.5) -> World:
    """Make a building: base load, occupied hours, cooling above 20 degC more when occupied, chance that
    stays for days.

    Parameters
    ----------
    noise : size of each day's chance as a share of the mean use; each hour has half as much of its own.
    rho : how much of a day's chance the next day keeps.
    """
    rng = np.random.default_rng(seed)
    hour = np.arange(DAYS * HOURS)
    of_day, day = hour % HOURS, hour // HOURS
    season = -6.5 * np.cos(2 * np.pi * (day - 25) / 365.25)
    weather = 2.5 * np.repeat(persistent(rng, DAYS, 0.7), HOURS)
    temperature = 23.5 + season + 3.0 * np.sin(2 * np.pi * (of_day - 9) / HOURS) + weather
    working = (day % 7 < 5) & (of_day >= 8) & (of_day < 19)
    cooling = np.maximum(temperature - 20.0, 0.0) * np.where(working, 14.0, 3.0)
    expected = 120.0 + 180.0 * working + cooling
    size = noise * expected.mean()
    chance = size * np.repeat(persistent(rng, DAYS, rho), HOURS) + 0.5 * size * rng.standard_normal(len(hour))
    return World(temperature, (day % 7) * HOURS + of_day, expected + chance)
