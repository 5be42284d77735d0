"""Water: people, the towers' make-up, a leak that never sleeps, and rain from the roof."""

import numpy as np

from simulators.grid import DAY_NODES, Floats, Nodes, daily_shape
from simulators.occupancy import Presence, local_years

# How people's use went from year to year; chosen so that the second halves of 2016 and 2017 come near
# what the city reported (86,438 and 90,476 m3). 2017: 300 people moved in, washable tableware, paper.
_YEARS = np.array([2015, 2016, 2017, 2018, 2026])
_FACTORS = np.array([1.01, 1.0, 1.0675, 1.06, 1.0])

_PEOPLE_M3H = 41.0  # of a full house
_LEAK_M3H = 1.3
_HABIT = daily_shape(
    (0, 0.6), (6, 0.7), (8, 1.0), (10, 1.1), (12, 1.35), (13.5, 1.0), (16, 1.05), (18, 0.8), (22, 0.6)
)

# Evaporation carries 85 % of the heat (2,430 kJ/kg); five cycles of concentration add a quarter.
_MAKEUP_M3_PER_KWH = 0.85 * 3600.0 / 2430.0 / 1000.0 * 1.25

_ROOF_M2 = 95.0  # the catchment of the rain tank
_USE, _DROPS, _SEEP = 500, 501, 502


def water(nodes: Nodes, people: Presence, rejected_kw: Floats, rain_mmh: Floats) -> dict[str, Floats]:
    """The m3/h of each water sub-meter at each node."""
    factor = np.interp(local_years(nodes), _YEARS, _FACTORS)[nodes.day_index]
    noise = 1.0 + 0.12 * nodes.drift(_USE, 6) + 0.1 * nodes.jitter(_DROPS)
    return {
        "water-people": _PEOPLE_M3H * people.occupancy * _HABIT[nodes.slot] * noise * factor,
        "tower-makeup": _MAKEUP_M3_PER_KWH * rejected_kw,
        "water-leak": _LEAK_M3H * (1.0 + 0.15 * nodes.drift(_SEEP, 5 * DAY_NODES)),
        "rainwater": rain_mmh * _ROOF_M2 / 1000.0,
    }
