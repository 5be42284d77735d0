"""Who is in the building: workdays, weekends, Taiwan's holidays, and the course of a day."""

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from simulators.grid import DAY_NODES, Floats, Integers, Nodes, daily_shape

_FIXED = ("01-01", "02-28", "04-04", "04-05", "10-10")
_FIXED_SINCE_2025 = ("09-28", "10-25", "12-25")  # Act of 2025 on memorial days and holidays

# First day of the lunar year, Dragon Boat, Mid-Autumn.
_LUNAR = """
2015-02-19 2015-06-20 2015-09-27   2016-02-08 2016-06-09 2016-09-15   2017-01-28 2017-05-30 2017-10-04
2018-02-16 2018-06-18 2018-09-24   2019-02-05 2019-06-07 2019-09-13   2020-01-25 2020-06-25 2020-10-01
2021-02-12 2021-06-14 2021-09-21   2022-02-01 2022-06-03 2022-09-10   2023-01-22 2023-06-22 2023-09-29
2024-02-10 2024-06-10 2024-09-17   2025-01-29 2025-05-31 2025-10-06   2026-02-17 2026-06-19 2026-09-25
2027-02-06 2027-06-09 2027-09-15   2028-01-26 2028-05-28 2028-10-03   2029-02-13 2029-06-16 2029-09-22
2030-02-03 2030-06-05 2030-09-12
"""

_WORKDAY = daily_shape(
    (0, 0.02), (6, 0.02), (7, 0.08), (8, 0.55), (9, 0.97), (11.75, 1.0), (12.4, 0.72), (13.25, 0.75),
    (14, 1.0), (17, 0.96), (18, 0.48), (19, 0.22), (21, 0.09), (23, 0.03),
)  # fmt: skip
_REST_DAY = daily_shape(
    (0, 0.02), (7, 0.02), (9, 0.09), (11, 0.13), (16, 0.13), (18, 0.07), (21, 0.03), (23, 0.02)
)

_CROWD = 200


@dataclass(frozen=True, slots=True)
class Presence:
    """Who is there at a run of nodes.

    ``occupancy`` : (n,) float64 share of a full house, 0 to about 1; ``workday`` : (n,) bool.
    """

    occupancy: Floats
    workday: NDArray[np.bool_]


@cache
def _holidays() -> Integers:
    """Days off apart from weekends, in days since 1970, ascending."""
    fixed = [f"{year}-{day}" for year in range(2014, 2041) for day in _FIXED]
    fixed += [f"{year}-{day}" for year in range(2025, 2041) for day in _FIXED_SINCE_2025]
    lunar = np.array(_LUNAR.split(), dtype="datetime64[D]")
    new_year = lunar[::3].astype(np.int64)
    around = [new_year + shift for shift in (-1, 0, 1, 2)]  # the eve to the third day
    dated = np.array(fixed, dtype="datetime64[D]").astype(np.int64)
    return np.unique(np.concatenate([dated, lunar.astype(np.int64), *around]))


def is_workday(days: Integers) -> NDArray[np.bool_]:
    """Whether local days, counted from 1970, are worked."""
    weekday = (days + 3) % 7  # 1970-01-01 was a Thursday; Monday is 0
    return np.asarray((weekday < 5) & ~np.isin(days, _holidays()))


def presence(nodes: Nodes) -> Presence:
    """Who is there at each node."""
    workday = is_workday(nodes.days)[nodes.day_index]
    course = np.where(workday, _WORKDAY[nodes.slot], _REST_DAY[nodes.slot])
    return Presence(course * (1.0 + 0.05 * nodes.drift(_CROWD, DAY_NODES // 2)), workday)


def local_years(nodes: Nodes) -> Integers:
    """(days,) the calendar year of each of ``nodes.days``."""
    return nodes.days.astype("datetime64[D]").astype("datetime64[Y]").astype(np.int64) + 1970
