"""Where the intervals of meters do not follow each other."""

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from monitor.timestamps import iso_utc

STRETCH_S = 31 * 86_400
"""As long a time without any meter parts two stretches of history, as a base year and today."""

YEAR_S = 366 * 86_400
"""... and as long a time without one meter does: each commodity may have a base year of its own."""

_STEPS = """
SELECT meter, next_s, next_s - end_s FROM (
  SELECT meter,
    lead(start_s) OVER (PARTITION BY site, meter ORDER BY start_s) AS next_s,
    start_s + duration_s AS end_s
  FROM intervals)
WHERE next_s IS NOT NULL AND next_s <> end_s
ORDER BY next_s, meter
"""
_ANY = "SELECT EXISTS (SELECT 1 FROM intervals WHERE start_s >= ? AND start_s < ?)"

Kind = Literal["gap", "overlap", "stretch"]
Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Uneven:
    """Meters whose intervals leave the same times out (``gap``) or share them (``overlap``).

    ``stretch``: a long time between two stretches of history. ``places`` are [from, to) in seconds UTC.
    """

    kind: Kind
    meters: tuple[str, ...]
    places: tuple[Span, ...]

    def told(self, at_most: int) -> dict[str, Any]:
        """What the words are filled with: the longest places first."""
        longest = sorted(self.places, key=lambda one: one[0] - one[1])[:at_most]
        spans = ", ".join(f"{iso_utc(1000 * a)}/{iso_utc(1000 * b)}" for a, b in longest)
        hours = f"{sum(b - a for a, b in self.places) / 3600:,.2f}"
        more = f" … ({len(self.meters)})" if len(self.meters) > at_most else ""
        meters = ", ".join(self.meters[:at_most]) + more
        return {"meter": meters, "count": len(self.places), "hours": hours, "spans": spans}


def gaps_in_intervals(rows: sqlite3.Connection) -> Iterator[Uneven]:
    """Every time that is left out or counted twice, told once for all meters that share it."""
    by_meter: dict[tuple[Kind, str], list[Span]] = {}
    stretches: dict[Span, bool] = {}
    for meter, next_s, apart_s in rows.execute(_STEPS).fetchall():
        place = (next_s - apart_s, next_s) if apart_s > 0 else (next_s, next_s - apart_s)
        kind: Kind = "gap" if apart_s > 0 else "overlap"
        if apart_s >= STRETCH_S:
            if place not in stretches:
                stretches[place] = apart_s >= YEAR_S or not rows.execute(_ANY, place).fetchone()[0]
            kind = "stretch" if stretches[place] else "gap"
        by_meter.setdefault((kind, meter), []).append(place)
    shared: dict[tuple[Kind, tuple[Span, ...]], list[str]] = {}
    for (kind, meter), places in by_meter.items():
        shared.setdefault((kind, tuple(places)), []).append(meter)
    for (kind, spans), meters in shared.items():
        yield Uneven(kind, tuple(sorted(meters)), spans)
