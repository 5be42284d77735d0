"""One model of Taipei's City Hall: any quantity at any instant, without stepping through time.

Values are computed at nodes five minutes apart from (seed, node) alone and are linear between them, so
that a counter is an exact integral. Four weeks are computed at once and kept; the totals of all weeks
since the meters were installed are added up once.
"""

from collections import OrderedDict
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from simulators.grid import BLOCK_NODES, NODE_S, Floats, Nodes
from simulators.loads import loads
from simulators.occupancy import presence
from simulators.plant import CHILLERS, plant
from simulators.sources import INTEGRATED, Source, source_of
from simulators.water import water
from simulators.weather import weather

DEFAULT_SEED = 2017
INSTALLED_S = 1_420_041_600  # 2015-01-01 00:00 in Taipei: every counter stood at 0
GAUGES = (
    "dry_bulb_c",
    "humidity_pct",
    "occupancy",
    "cw_supply_c",
    "chw_supply_c",
    *(f"cooling_kw_{number}" for number in range(1, CHILLERS + 1)),
)
_ROWS = {name: row for row, name in enumerate((*INTEGRATED, *GAUGES))}
_NODE_H = NODE_S / 3600
_KEPT_BLOCKS = 16


def epoch_s(instants: ArrayLike) -> Floats:
    """Instants as seconds since 1970 UTC; datetime64 is taken as UTC."""
    array = np.asarray(instants)
    if array.dtype.kind == "M":
        return np.asarray(array.astype("datetime64[us]").astype(np.int64) / 1e6)
    return array.astype(np.float64)


@dataclass(frozen=True, slots=True)
class _Block:
    """Four weeks of all columns, each with a node more than the block.

    ``values`` : (columns, nodes + 1); ``integral`` : (integrated columns, nodes + 1) from the block's start.
    """

    values: Floats
    integral: Floats


def _computed(seed: int, block: int) -> _Block:
    # Half an hour and a node more than kept: staging looks at the end of its half-hour.
    nodes = Nodes(seed, block * BLOCK_NODES, BLOCK_NODES + 7)
    air, people = weather(nodes), presence(nodes)
    machines = plant(nodes, air, people)
    columns = {
        **{f"chiller-{n + 1}-power": machines.chiller_kw[n] for n in range(CHILLERS)},
        **{f"cooling_kw_{n + 1}": machines.cooling_kw[n] for n in range(CHILLERS)},
        **loads(nodes, people),
        **water(nodes, people, machines.rejected_kw, air.rain_mmh),
        "pumps": machines.pumps_kw,
        "towers": machines.towers_kw,
        "rain": air.rain_mmh,
        "dry_bulb_c": air.dry_bulb_c,
        "humidity_pct": air.humidity_pct,
        "occupancy": people.occupancy,
        "cw_supply_c": machines.cw_supply_c,
        "chw_supply_c": machines.chw_supply_c,
    }
    values = np.empty((len(_ROWS), BLOCK_NODES + 1))
    for name, row in _ROWS.items():
        values[row] = columns[name][: BLOCK_NODES + 1]
    integral = np.empty((len(INTEGRATED), BLOCK_NODES + 1))
    integral[:, 0] = 0.0
    for row, rate in enumerate(values[: len(INTEGRATED)]):
        np.cumsum((rate[:-1] + rate[1:]) * (0.5 * _NODE_H), out=integral[row, 1:])
    return _Block(values, integral)


@dataclass(frozen=True, slots=True)
class Moment:
    """The building at one instant: scalars, fast enough to answer every poll afresh."""

    at_s: float
    _block: _Block
    _node: int
    _part: float
    _before: list[float]

    def gauge(self, name: str) -> float:
        """A gauge of ``GAUGES``, or the rate of an integrated column."""
        row, node = _ROWS[name], self._node
        values = self._block.values
        left = values.item(row, node)
        return left + (values.item(row, node + 1) - left) * self._part

    def rate(self, source: Source) -> float:
        """What the source uses now: kW, m3/h or mm/h."""
        return sum(weight * self.gauge(name) for name, weight in source.parts)

    def counter(self, source: Source) -> float:
        """What the source has used since installation: kWh, m3 or mm."""
        total, node, part = 0.0, self._node, self._part
        values, integral = self._block.values, self._block.integral
        for name, weight in source.parts:
            row = _ROWS[name]
            left = values.item(row, node)
            step = values.item(row, node + 1) - left
            in_cell = part * (left + 0.5 * step * part) * _NODE_H
            total += weight * (self._before[row] + integral.item(row, node) + in_cell)
        return total


class Building:
    """The whole building. Two with the same seed and installation agree to the last bit.

    Parameters
    ----------
    seed : which world.
    installed_s : when every counter stood at 0, seconds since 1970 UTC; counters before it are an error.
    """

    def __init__(self, seed: int = DEFAULT_SEED, installed_s: float = INSTALLED_S) -> None:
        self.seed = seed
        self.installed_s = float(installed_s)
        self._kept: OrderedDict[int, _Block] = OrderedDict()
        self._first_block = int(self.installed_s // (NODE_S * BLOCK_NODES))
        # What the counters showed at the start of each block; negative in the first, so that they
        # pass 0 at the instant of installation.
        self._totals: list[list[float]] = []

    def source(self, source_id: str, family: str = "electricity") -> Source:
        """What a device or meter of this id measures; unknown ids get a load of their own."""
        return source_of(source_id, family, self.seed)

    def gauge(self, name: str, instants: ArrayLike) -> Floats:
        """A gauge of ``GAUGES`` or a column's rate at each instant, in the shape of ``instants``."""
        return self.rate(Source(((name, 1.0),)), instants)

    def rate(self, source: Source, instants: ArrayLike) -> Floats:
        """What the source uses at each instant: kW, m3/h or mm/h, in the shape of ``instants``."""
        at_s = epoch_s(instants)
        rate = np.zeros(at_s.shape)
        for number, here, node, part in self._cells(at_s):
            values = self._block(number).values
            for name, weight in source.parts:
                row = values[_ROWS[name]]
                rate[here] += weight * (row[node] + (row[node + 1] - row[node]) * part)
        return rate

    def counter(self, source: Source, instants: ArrayLike) -> Floats:
        """What the source has used since installation: kWh, m3 or mm, in the shape of ``instants``.

        Raises
        ------
        ValueError : an instant lies before the installation.
        """
        at_s = epoch_s(instants)
        if at_s.size and float(at_s.min()) < self.installed_s:
            raise ValueError(f"no counter before {self.installed_s:.0f}, when the meters were installed")
        total = np.zeros(at_s.shape)
        for number, here, node, part in self._cells(at_s):
            block, before = self._block(number), self._before(number)
            for name, weight in source.parts:
                row = _ROWS[name]
                left = block.values[row][node]
                step = block.values[row][node + 1] - left
                in_cell = part * (left + 0.5 * step * part) * _NODE_H
                total[here] += weight * (before[row] + block.integral[row][node] + in_cell)
        return total

    def energy(self, source_id: str, start: ArrayLike, end: ArrayLike, family: str = "electricity") -> float:
        """What a source used from ``start`` to ``end``: the same integral as its counter shows."""
        at_start, at_end = self.counter(self.source(source_id, family), [epoch_s(start), epoch_s(end)])
        return float(at_end - at_start)

    def at(self, at_s: float) -> Moment:
        """The building at one instant, seconds since 1970 UTC, not before the installation."""
        if at_s < self.installed_s:
            raise ValueError(f"no counter before {self.installed_s:.0f}, when the meters were installed")
        position = at_s / NODE_S
        node = int(position)
        number, offset = divmod(node, BLOCK_NODES)
        return Moment(at_s, self._block(number), offset, position - node, self._before(number))

    def _cells(self, at_s: Floats) -> list[tuple[int, Floats, Floats, Floats]]:
        """(block, mask, node in the block, part of the cell) for each block touched."""
        position = at_s / NODE_S
        node = np.floor(position).astype(np.int64)
        number = node // BLOCK_NODES
        cells = []
        for block in np.unique(number).tolist():
            here = number == block
            cells.append((block, here, node[here] - block * BLOCK_NODES, position[here] - node[here]))
        return cells

    def _block(self, number: int) -> _Block:
        block = self._kept.get(number)
        if block is None:
            block = self._kept[number] = _computed(self.seed, number)
            if len(self._kept) > _KEPT_BLOCKS:
                self._kept.popitem(last=False)
        else:
            self._kept.move_to_end(number)
        return block

    def _before(self, number: int) -> list[float]:
        """What each integrated column had counted at the start of a block."""
        while len(self._totals) <= number - self._first_block:
            if self._totals:
                last = self._first_block + len(self._totals) - 1
                block = self._kept.get(last) or _computed(self.seed, last)
                grown = np.asarray(self._totals[-1]) + block.integral[:, -1]
            else:
                grown = -self._since_block_start(self.installed_s)
            self._totals.append(grown.tolist())
        return self._totals[number - self._first_block]

    def _since_block_start(self, at_s: float) -> Floats:
        position = at_s / NODE_S
        number, node = divmod(int(position), BLOCK_NODES)
        part = position - int(position)
        block = self._block(number)
        left = block.values[: len(INTEGRATED), node]
        step = block.values[: len(INTEGRATED), node + 1] - left
        return np.asarray(block.integral[:, node] + part * (left + 0.5 * step * part) * _NODE_H)
