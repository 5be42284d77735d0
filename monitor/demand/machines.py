"""How far the chillers were loaded in a demand window, out of their readings, where these are still kept."""

from dataclasses import dataclass

import numpy as np

from monitor.store.rows import unpack_scan
from monitor.store.streams import RowStreams, Span
from rules.quality import Quality
from rules.scan import Layout

LOAD = "capacity_rla"
LATE_MS = 60_000
"""A load is read live: what came later than that is not waited for."""

MOST_SCANS = 200_000
"""Of all devices in one window: beyond that nobody waits for it."""


@dataclass(frozen=True, slots=True)
class ChillerThen:
    """A chiller's mean load in a window. [%]"""

    device: str
    percent: float


def chillers_in(
    streams: RowStreams, layouts: dict[int, Layout], span: Span, most_scans: int = MOST_SCANS
) -> tuple[ChillerThen, ...]:
    """The mean load of each chiller that ran in a window, the largest first; none where readings are gone."""
    if not layouts:
        return ()
    ids = streams.scan_ids(span, LATE_MS)
    if ids[1] - ids[0] > most_scans:
        return ()
    loads: dict[str, list[float]] = {}
    for block in streams.scans(span, list(layouts), ids):
        for _, number, at_ms, values, quality in block:
            scan = unpack_scan(layouts[number], at_ms, values, quality)
            place = _place(scan.layout)
            if scan.quality[place] <= Quality.ESTIMATED and np.isfinite(scan.values[place]):
                loads.setdefault(scan.layout.device, []).append(float(scan.values[place]))
    means = (ChillerThen(device, float(np.mean(found))) for device, found in loads.items())
    return tuple(sorted((one for one in means if one.percent > 0), key=lambda one: -one.percent))


def chiller_layouts(streams: RowStreams) -> dict[int, Layout]:
    """The layouts that hold a chiller's load, by their number."""
    names = {number: layout for number, layout in streams.layouts().items() if layout.family == "chiller"}
    return {n: layout for n, layout in names.items() if any(p.name == LOAD for p in layout.points)}


def _place(layout: Layout) -> int:
    return next(place for place, point in enumerate(layout.points) if point.name == LOAD)
