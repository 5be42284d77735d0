"""Intervals as a sheet: a group of columns for each unit, so that no figure stands without its own."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from config.site import COMMODITY_UNITS, Commodity
from monitor.exports.sheets import Block, Column, Kind, Sheet
from monitor.store.streams import INTERVAL_COLUMNS, RowStreams, Span
from rules.quality import Quality

# quantity and the rates, by the unit of the quantity
_NAMES = {
    "kWh": ("energy_kwh", "power_avg_kw", "power_max_kw", "power_min_kw"),
    "m3": ("volume_m3", "flow_avg_m3h", "flow_max_m3h", "flow_min_m3h"),
    "L": ("volume_l", "flow_avg_lh", "flow_max_lh", "flow_min_lh"),
    # A meter that has left the site file: its unit is no longer known.
    "": ("quantity", "rate_avg", "rate_max", "rate_min"),
}
_FIGURES = ("quantity", "rate_avg", "rate_max", "rate_min")
_QUALITIES = np.array([quality.name.lower() for quality in sorted(Quality)])


@dataclass(frozen=True, slots=True)
class _Whose:
    commodity: str
    unit: str


def interval_sheet(
    streams: RowStreams, site: str, commodities: Mapping[str, Commodity], span: Span, meters: Sequence[str]
) -> Sheet:
    """Every interval that starts in a span, by meter and start.

    Parameters
    ----------
    commodities : of each meter of the site file.
    meters : of which; all that the store knows when none is named.
    """
    counts = streams.interval_counts(span, meters)
    whose = {meter: _whose(commodities.get(meter)) for meter in counts}
    units = [unit for unit in _NAMES if any(one.unit == unit for one in whose.values())]
    figures = [Column(name, Kind.NUMBER) for unit in units for name in _NAMES[unit]]
    columns = (*_FIRST, *figures, *_LAST)
    return Sheet(columns, _blocks(streams, site, whose, span, meters), sum(counts.values()))


_FIRST = (
    Column("site", Kind.TEXT),
    Column("meter", Kind.TEXT),
    Column("commodity", Kind.TEXT),
    Column("start", Kind.INSTANT),
    Column("end", Kind.INSTANT),
)
_LAST = (
    Column("coverage_ratio", Kind.NUMBER),
    Column("quality", Kind.TEXT),
    Column("caught_up", Kind.WHOLE),
    Column("register_start", Kind.NUMBER),
    Column("register_end", Kind.NUMBER),
    Column("factor", Kind.NUMBER),
    Column("epoch", Kind.WHOLE),
    Column("rev", Kind.WHOLE),
)


def _whose(commodity: Commodity | None) -> _Whose:
    return _Whose("", "") if commodity is None else _Whose(commodity.value, COMMODITY_UNITS[commodity])


def _blocks(
    streams: RowStreams, site: str, whose: Mapping[str, _Whose], span: Span, meters: Sequence[str]
) -> Iterator[tuple[Block, int]]:
    for rows in streams.intervals(span, meters):
        known = [row for row in rows if row[0] in whose]  # a meter may have begun meanwhile
        if known:
            yield _block(site, whose, known), len(rows)


def _block(site: str, whose: Mapping[str, _Whose], rows: Sequence[Sequence[Any]]) -> Block:
    given = dict(zip(INTERVAL_COLUMNS, zip(*rows, strict=True), strict=True))
    start_s = np.array(given["start_s"], dtype=np.int64)
    owners = [whose[meter] for meter in given["meter"]]
    units = np.array([one.unit for one in owners])
    block: dict[str, Any] = {
        "site": [site] * len(rows),
        "meter": list(given["meter"]),
        "commodity": [one.commodity for one in owners],
        "start": 1000 * start_s,
        "end": 1000 * (start_s + np.array(given["duration_s"], dtype=np.int64)),
        "coverage_ratio": np.array(given["coverage"], dtype=np.float64),
        "quality": _QUALITIES[np.array(given["quality"], dtype=np.int64)].tolist(),
    }
    for name in ("caught_up", "epoch", "rev"):
        block[name] = np.array(given[name], dtype=np.int64)
    for name in ("register_start", "register_end", "factor"):
        block[name] = np.array(given[name], dtype=np.float64)
    for figure, place in zip(_FIGURES, range(4), strict=True):
        values = np.array(given[figure], dtype=np.float64)
        for unit in {one.unit for one in whose.values()}:
            block[_NAMES[unit][place]] = np.where(units == unit, values, np.nan)
    return block
