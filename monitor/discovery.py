"""Meters told to Home Assistant: what there is, once, and each meter's total whenever an interval closes.

References
----------
.. [1] Home Assistant, "MQTT", section MQTT Discovery, and "MQTT Sensor", configuration variables.
"""

import asyncio
import json
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

import numpy as np

from config.site import COMMODITY_UNITS, Commodity, MeterSettings, Site
from config.words import Spoken
from monitor.store.reader import UNREADABLE, ChangedInterval, StoreReader
from rules.quality import Quality

log = logging.getLogger(__name__)

PERIOD_S = 1.0
TROUBLE_REST_S = 60.0
"""After a trouble that nobody thought of, before it is tried again."""

ANNOUNCE_AGAIN_S = 3600.0
"""A broker that lost what it kept without hanging up is told again after so long at the latest."""

BATCH = 200
CHANGES = 5_000
"""Rows that are taken up at once: a period that was made again costs one new total, not dozens."""

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


class Announces(Protocol):
    """A broker's driver, as far as it can tell the world something."""

    @property
    def welcomes(self) -> int:
        """How often the broker has taken us in: after each, it may have lost what it kept."""

    def publish(self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False) -> bool:
        """Send a message; False when there is no broker now."""


def state_topic(site: str, meter: str) -> str:
    """Where a meter's total stands."""
    return f"energy-monitor/{site}/{meter}/state"


def attributes_topic(site: str, meter: str) -> str:
    """Where a meter's newest interval stands."""
    return f"energy-monitor/{site}/{meter}/attributes"


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
        "state_topic": state_topic(facts.id, meter.id),
        "json_attributes_topic": attributes_topic(facts.id, meter.id),
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
    return Announcement(f"{prefix}/sensor/{name}/config", _json(config))


def _json(content: object) -> bytes:
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()


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

    def _sum(self, meter: str, start_s: int, end_s: int) -> float:
        return float(np.nansum(self._reader.intervals(meter, start_s, end_s).quantity))


class Announcer:
    """Tells every broker that wants to know.

    Parameters
    ----------
    brokers : driver and discovery prefix of each.
    """

    def __init__(self, site: Site, reader: StoreReader, brokers: Sequence[tuple[Announces, str]]) -> None:
        self._site = site
        self._brokers = [_Broker(driver, configurations(site, prefix)) for driver, prefix in brokers]
        self._reader = reader
        self._totals = Totals(reader)
        self._seq = 0

    async def run(self) -> None:
        """Follow the store until cancelled."""
        if not self._brokers:
            await asyncio.Event().wait()
        loop = asyncio.get_running_loop()
        look = self._all
        while True:
            try:
                self._put(await asyncio.to_thread(look))
                look = self._changed
            except UNREADABLE as error:
                log.warning(Spoken("log.discovery_waits", reason=error.__cause__ or error))
            except Exception:
                log.exception("discovery: meters' states cannot be told now; everything else goes on")
                await asyncio.sleep(TROUBLE_REST_S)
            self._tell(loop.time())
            await asyncio.sleep(PERIOD_S)

    def _tell(self, now_s: float) -> None:
        for broker in self._brokers:
            try:
                broker.tell(now_s)
            except Exception:
                log.exception("discovery: a broker cannot be told now; everything else goes on")

    def _put(self, states: Iterable[Announcement]) -> None:
        for state in states:
            for broker in self._brokers:
                broker.states[state.topic] = state
                broker.waiting[state.topic] = state

    def _all(self) -> list[Announcement]:
        """Every meter's state, and from where to follow."""
        self._seq = self._reader.newest_seqs()["intervals"]
        return self._states({meter.id: None for meter in self._site.meters}, {})

    def _changed(self) -> list[Announcement]:
        """The states of the meters that had an interval closed or corrected."""
        rows = self._reader.changed_intervals(self._seq, CHANGES)
        if not rows:
            return []
        since: dict[str, int | None] = {}
        newest: dict[str, ChangedInterval] = {}
        for row in rows:
            since[row.meter] = min(row.start_s, since.get(row.meter) or row.start_s)
            if row.meter not in newest or row.start_s >= newest[row.meter].start_s:
                newest[row.meter] = row
        states = self._states(since, newest)
        # Only now: a disk in trouble in between would leave a total wrong that nobody looks at again.
        self._seq = rows[-1].seq
        return states

    def _states(self, since: dict[str, int | None], newest: dict[str, ChangedInterval]) -> list[Announcement]:
        site, known = self._site.site.id, {meter.id for meter in self._site.meters}
        states = []
        for meter in since.keys() & known:
            total = self._totals.of(meter, since[meter])
            if total is None:
                continue
            states.append(Announcement(state_topic(site, meter), f"{total:.6f}".encode()))
            if meter in newest:
                states.append(Announcement(attributes_topic(site, meter), _json(_attributes(newest[meter]))))
        return states


def _attributes(row: ChangedInterval) -> dict[str, Any]:
    """The interval behind a total: a doubt travels with it."""
    return {
        "interval_start": datetime.fromtimestamp(row.start_s, UTC).isoformat(),
        "interval_s": row.duration_s,
        "interval_quantity": round(row.quantity, 6),
        "coverage": round(row.coverage, 4),
        "quality": Quality(row.quality).name.lower(),
    }


class _Broker:
    """What one broker was told, and what waits to be."""

    def __init__(self, driver: Announces, configs: Sequence[Announcement]) -> None:
        self.states: dict[str, Announcement] = {}
        self.waiting: dict[str, Announcement] = {}
        self._driver = driver
        self._configs = configs
        self._told_s: float | None = None
        self._welcomes = 0

    def tell(self, now_s: float) -> None:
        """Say what waits; after an outage, everything."""
        welcomes = self._driver.welcomes
        if self._told_s is None or self._welcomes != welcomes or now_s - self._told_s >= ANNOUNCE_AGAIN_S:
            self.waiting = {one.topic: one for one in (*self._configs, *self.states.values())}
            self._told_s, self._welcomes = now_s, welcomes
        for announcement in list(self.waiting.values())[:BATCH]:
            if not self._driver.publish(announcement.topic, announcement.payload, retain=True):
                self._told_s = None
                return
            del self.waiting[announcement.topic]
