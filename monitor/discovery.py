"""Meters told to Home Assistant: what there is, and each meter's total, which follows every correction.

References
----------
.. [1] Home Assistant, "MQTT", section MQTT Discovery, and "MQTT Sensor", configuration variables.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from pydantic_core import to_json

from config.site import COMMODITY_UNITS, Commodity, MeterSettings, Site
from monitor.store.changed import ChangedInterval
from monitor.store.reader import StoreReader

SETTLED_S = 2 * 86400
"""What is older changes rarely: it is summed up once."""

_CLASSES = {
    Commodity.ELECTRICITY: "energy",
    Commodity.CHILLED_WATER: "energy",
    Commodity.WATER: "water",
    Commodity.RAINWATER: "water",
    Commodity.VEHICLE_FUEL: "volume",
}
_UNITS = {"m3": "m³"}
_ALL_TIME_S = 2**40


@dataclass(frozen=True, slots=True)
class Announcement:
    """A message that the broker keeps."""

    topic: str
    payload: bytes


def meter_topic(site: str, meter: str, what: str) -> str:
    """Where ``interval`` or ``total`` of a meter stands."""
    return f"energy-monitor/{site}/meters/{meter}/{what}"


def configurations(site: Site, prefix: str) -> list[Announcement]:
    """What Home Assistant needs to know of every meter, in the site's language."""
    return [_configuration(site, meter, prefix) for meter in site.meters]


def _configuration(site: Site, meter: MeterSettings, prefix: str) -> Announcement:
    facts, unit = site.site, COMMODITY_UNITS[meter.commodity]
    name = f"{facts.id}_{meter.id}"
    config = {
        "name": meter.name.in_language(facts.language),
        "unique_id": name,
        "object_id": name,
        "state_topic": meter_topic(facts.id, meter.id, "total"),
        "json_attributes_topic": meter_topic(facts.id, meter.id, "interval"),
        "device_class": _CLASSES[meter.commodity],
        "state_class": "total_increasing",
        "unit_of_measurement": _UNITS.get(unit, unit),
        "device": {
            "identifiers": [f"energy-monitor-{facts.id}"],
            "name": facts.name.in_language(facts.language),
            "model": "facility-energy-monitor",
        },
        "origin": {"name": "facility-energy-monitor"},
    }
    return Announcement(f"{prefix}/sensor/{name}/config", json_of(config))


def json_of(content: dict[str, Any]) -> bytes:
    """A payload; what is no finite number is null. Raises ValueError for a text that is none."""
    return to_json(content, inf_nan_mode="null")


class Totals:
    """What each meter has counted since the store began; a later correction changes it afterwards.

    It is the sum of the intervals, and not the register: it goes on over replaced meters, and sums over
    meters have one, too.
    """

    def __init__(self, reader: StoreReader) -> None:
        self._reader = reader
        self._settled: dict[str, tuple[int, float]] = {}

    def of(self, meter: str, changed_from_s: int | None = None) -> float | None:
        """The total of a meter; None before its first interval.

        Parameters
        ----------
        changed_from_s : the earliest interval that may have changed since the last call.
        """
        span = self._reader.interval_span(meter)
        if span is None:
            return None
        until_s, total = self._settled.get(meter, (span[0], 0.0))
        if changed_from_s is not None and changed_from_s < until_s:
            until_s, total = span[0], 0.0
        settle_s = span[1] - SETTLED_S
        if settle_s > until_s + SETTLED_S or (meter not in self._settled and settle_s > until_s):
            total += self._sum(meter, until_s, settle_s)
            until_s = settle_s
        self._settled[meter] = (until_s, total)
        return total + self._sum(meter, until_s, _ALL_TIME_S)

    def is_settled(self, meter: str, start_s: int) -> bool:
        """Whether the interval at this start was summed up once and for all."""
        return meter in self._settled and start_s < self._settled[meter][0]

    def _sum(self, meter: str, start_s: int, end_s: int) -> float:
        return float(np.nansum(self._reader.intervals(meter, start_s, end_s).quantity))


class Standings:
    """The meters' totals as messages, each when it has changed.

    Rows are noted as they come; what the store held already when a meter was summed up is not summed again.
    """

    def __init__(self, site: Site, reader: StoreReader) -> None:
        self._site = site.site.id
        self._meters = tuple(meter.id for meter in site.meters)
        self._reader = reader
        self._totals = Totals(reader)
        self._summed_seq: dict[str, int] = {}
        self._since_s: dict[str, int] = {}
        self._told: dict[str, bytes] = {}
        self._due: set[str] = set()

    def note(self, row: ChangedInterval) -> None:
        """A meter's interval was closed or corrected."""
        if row.meter not in self._meters:
            return
        self._due.add(row.meter)
        if row.seq > self._summed_seq.get(row.meter, 0):
            self._since_s[row.meter] = min(row.start_s, self._since_s.get(row.meter, row.start_s))

    def forget_told(self) -> None:
        """The far side may have lost what it kept: all is news again."""
        self._told.clear()
        self._due.update(self._meters)

    def due(self) -> list[Announcement]:
        """Totals that the far side does not have yet; they stay so until ``told``. Blocks on the store."""
        messages = []
        for meter in sorted(self._due):
            is_first = meter not in self._summed_seq
            since_s = 0 if is_first else self._since_s.get(meter)
            is_anew = is_first or (since_s is not None and self._totals.is_settled(meter, since_s))
            # Before the sum: what is committed in between is summed again, never forgotten.
            seq = self._reader.newest_seqs()["intervals"]
            total = self._totals.of(meter, since_s)
            self._since_s.pop(meter, None)
            if is_anew:  # otherwise what is settled may lack a change that was not noted yet
                self._summed_seq[meter] = seq
            if total is not None:
                messages.append(Announcement(meter_topic(self._site, meter, "total"), b"%.6f" % total))
        return [one for one in messages if self._told.get(one.topic) != one.payload]

    def told(self, messages: Iterable[Announcement]) -> None:
        """The far side has these."""
        self._told |= {one.topic: one.payload for one in messages}
        self._due.clear()
