"""What the building uses apart from cooling: the base that never sleeps, and lighting and plugs by floors."""

import numpy as np

from simulators.grid import Floats, Nodes, daily_shape
from simulators.occupancy import Presence, local_years

# How the use of electricity went from year to year, beside the weather's doing: chosen so that the
# second halves of 2015 and 2017 come near what the city reported (12.57 and 12.53 GWh); lamps were
# replaced since.
_YEARS = np.array([2015, 2016, 2017, 2018, 2026])
_FACTORS = np.array([1.0005, 1.003, 1.0072, 1.0, 0.96])

_CLEANING = daily_shape((0, 0.0), (5, 0.0), (6, 0.5), (7.5, 0.2), (8, 0.0), (18, 0.0), (19, 0.4), (21, 0.0))

# kW: always on, lighting and plugs of a full house, lights for cleaning.
_FLOORS = {
    "floors-low": (185.0, 640.0, 100.0),  # public halls, canteen, car park
    "floors-mid": (140.0, 550.0, 80.0),
    "floors-high": (125.0, 480.0, 70.0),
}
_BASE_KW = 1120.0  # servers, security, lifts in waiting, emergency lighting, ventilation of the basements

_DRIFT, _JITTER = 300, 320


def year_factor(nodes: Nodes) -> Floats:
    """(n,) the use of each node's year against 2015."""
    return np.asarray(np.interp(local_years(nodes), _YEARS, _FACTORS)[nodes.day_index])


def loads(nodes: Nodes, people: Presence) -> dict[str, Floats]:
    """The kW of each sub-meter at each node."""
    factor = year_factor(nodes)
    # Lights stay on for those who stay: load falls slower than the number of people.
    in_use = np.sqrt(people.occupancy) * 0.35 + people.occupancy * 0.65
    kw: dict[str, Floats] = {}
    for number, (name, (standby_kw, full_kw, cleaning_kw)) in enumerate(_FLOORS.items()):
        noise = 1.0 + 0.03 * nodes.drift(_DRIFT + number, 9) + 0.012 * nodes.jitter(_JITTER + number)
        cleaning = cleaning_kw * np.where(people.workday, _CLEANING[nodes.slot], 0.0)
        kw[name] = (standby_kw + full_kw * in_use + cleaning) * noise * factor
    noise = 1.0 + 0.015 * nodes.drift(_DRIFT + 9, 30) + 0.004 * nodes.jitter(_JITTER + 9)
    kw["base"] = (_BASE_KW + 90.0 * people.occupancy) * noise * factor
    return kw
