"""Whether the energy that was booked is the energy that the registers counted."""

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from monitor.timestamps import iso_utc

# What float64 leaves of a register's last digits, times a factor: far below what any meter shows.
NEAR = 1e-9
_SLACK = f"{NEAR} * (1 + abs(register_end) + abs(register_start)) * (1 + abs(factor))"

_ROWS = f"""
SELECT meter, count(*), min(start_s), total(abs(quantity - (register_end - register_start) * factor))
FROM intervals
WHERE register_start IS NOT NULL AND register_end IS NOT NULL
  AND abs(quantity - (register_end - register_start) * factor) > {_SLACK}
GROUP BY site, meter ORDER BY meter
"""  # noqa: S608  numbers of this file

# A register that rolled over inside is told as if it had begun below zero.
_EDGES = f"""
SELECT meter, count(*), min(start_s), total(register_start - before) FROM (
  SELECT site, meter, start_s, register_start, register_end, factor, epoch,
    lag(register_end) OVER earlier AS before,
    lag(epoch) OVER earlier AS epoch_before,
    lag(start_s + duration_s) OVER earlier AS end_before
  FROM intervals WINDOW earlier AS (PARTITION BY site, meter ORDER BY start_s))
WHERE before IS NOT NULL AND register_start IS NOT NULL
  AND epoch = epoch_before AND start_s = end_before AND register_start >= 0
  AND abs(register_start - before) > {_SLACK}
GROUP BY site, meter ORDER BY meter
"""  # noqa: S608


@dataclass(frozen=True, slots=True)
class Unequal:
    """Intervals of a meter that are not what its register counted.

    ``sum``: quantity is not the register's advance. ``edge``: energy between two intervals is in neither.
    """

    kind: Literal["sum", "edge"]
    meter: str
    count: int
    first_s: int
    amount: float

    def told(self) -> dict[str, Any]:
        """What the words are filled with."""
        amount = f"{self.amount:,.6g}"
        return {
            "meter": self.meter,
            "count": self.count,
            "first": iso_utc(1000 * self.first_s),
            "amount": amount,
        }


def totals_of_registers(rows: sqlite3.Connection) -> Iterator[Unequal]:
    """Every meter whose intervals are not its register's advance, or leave some of it out between them."""
    for meter, count, first_s, amount in rows.execute(_ROWS):
        yield Unequal("sum", meter, count, first_s, amount)
    for meter, count, first_s, amount in rows.execute(_EDGES):
        yield Unequal("edge", meter, count, first_s, amount)
