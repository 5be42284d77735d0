"""Sparkplug B sessions: what a node's births teach, whether a message was missed, and what the data say.

References
----------
.. [1] Eclipse Sparkplug 3.0.0, chapters 4 (topics), 5 (operational behaviour) and 6 (payloads).
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from drivers.mqtt_profile import MqttPart
from drivers.payload_json import MAX_BYTES, number_of
from drivers.payload_times import is_plausible
from drivers.payloads import Reading
from drivers.profile import conversion
from drivers.refusals import PayloadRefused
from drivers.sparkplug_wire import Metric, Payload, read_payload
from rules.quality import Quality

NAMESPACE = "spBv1.0"
SEQ_END = 256
MAX_INSTANTS = 1000  # readings of one message
QUALITY_GOOD = 192

_KINDS = ("NBIRTH", "NDATA", "NDEATH")
_DEVICE_KINDS = ("DBIRTH", "DDATA", "DDEATH")


class Address(NamedTuple):
    """Who speaks: an edge node, or a device behind one (else empty)."""

    group: str
    node: str
    device: str = ""


def address_of(topic: str) -> Address:
    """From what an operator writes: ``group/node`` or ``group/node/device``. Raises ValueError."""
    parts = topic.removeprefix(f"{NAMESPACE}/").split("/")
    if not 2 <= len(parts) <= 3 or not all(parts):
        raise ValueError(f"{topic}: with Sparkplug B the topic is group/node or group/node/device")
    return Address(*parts)


def is_sparkplug(topic: str) -> bool:
    """Whether what an operator wrote names a node or a device."""
    try:
        address_of(topic)
    except ValueError:
        return False
    return True


def filters_of(address: Address) -> tuple[str, ...]:
    """What to subscribe to: all that a node says, for its numbering runs over all its devices."""
    group, node, _ = address
    return (
        *(f"{NAMESPACE}/{group}/{kind}/{node}" for kind in _KINDS),
        *(f"{NAMESPACE}/{group}/{kind}/{node}/+" for kind in _DEVICE_KINDS),
    )


def message_of(topic: str) -> tuple[str, Address] | None:
    """Kind and sender of a message, None for any other topic."""
    parts = topic.split("/")
    if len(parts) not in {4, 5} or parts[0] != NAMESPACE:
        return None
    _, group, kind, *rest = parts
    if kind not in (_KINDS if len(rest) == 1 else _DEVICE_KINDS):
        return None
    return kind, Address(group, *rest)


class Said(NamedTuple):
    """One metric with its name, and its number with its sign; NaN for what is none."""

    name: str
    value: float
    at_ms: int | None
    is_good: bool
    is_historical: bool


@dataclass(frozen=True, slots=True)
class Message:
    """What a node's message meant.

    Attributes
    ----------
    unknown : how many metrics had a number in the place of a name that no birth explained.
    is_birth, is_death : of the sender; a node's death is its devices', too.
    is_gap : something was missed before it: what the node's devices said earlier may no longer hold.
    """

    said: tuple[Said, ...] = ()
    unknown: int = 0
    is_birth: bool = False
    is_death: bool = False
    is_gap: bool = False


_Known = tuple[str, int | None]


@dataclass(slots=True)
class Node:
    """The session of one edge node.

    Attributes
    ----------
    wants_rebirth : whether only new births can tell how things stand.
    """

    wants_rebirth: bool = True
    _seq: int | None = None
    _bd_seq: float | None = None
    _by_alias: dict[str, dict[int, _Known]] = field(default_factory=dict)
    _types: dict[str, dict[str, int | None]] = field(default_factory=dict)

    def take(self, kind: str, device: str, data: bytes, ours: frozenset[str]) -> Message:
        """Follow one message.

        Parameters
        ----------
        kind : ``NBIRTH`` and the like.
        device : empty for the node itself.
        ours : the devices whose metrics are wanted; of the others only the numbering is.

        Raises
        ------
        PayloadRefused
            When the bytes are no Sparkplug payload; what was missed with it shows at the next message.
        """
        if len(data) > MAX_BYTES:
            raise PayloadRefused("too_large", size=len(data), limit=MAX_BYTES)
        payload = read_payload(data)
        if kind == "NDEATH":
            return self._death(payload)
        is_gap = self._follow(kind, payload)
        if kind == "DDEATH":
            self._forget(device)
            return Message(is_death=True, is_gap=is_gap)
        is_birth = kind in {"NBIRTH", "DBIRTH"}
        if device not in ours:
            return Message(is_birth=is_birth, is_gap=is_gap)
        if is_birth:
            self._learn(device, payload.metrics)
        said = tuple(self._named(device, payload))
        unknown = len(payload.metrics) - len(said)
        self.wants_rebirth |= unknown > 0
        return Message(said, unknown, is_birth=is_birth, is_gap=is_gap)

    def lost(self) -> None:
        """We were away: what was said meanwhile is not known."""
        self._seq = None
        self._by_alias.clear()
        self.wants_rebirth = True

    def _death(self, payload: Payload) -> Message:
        """The last will. One of an earlier session comes late and means nothing.

        One that counts further than the birth is taken: pysparkplug numbers its good-byes so.
        """
        died = _bd_seq(payload)
        if (
            died is not None
            and self._bd_seq is not None
            and 0 < (self._bd_seq - died) % SEQ_END < SEQ_END / 2
        ):
            return Message()
        self._seq = None
        self._by_alias.clear()
        self._types.clear()
        return Message(is_death=True)

    def _follow(self, kind: str, payload: Payload) -> bool:
        """Whether a message is missing before this one; a birth of the node begins anew."""
        expected, self._seq = self._seq, None if payload.seq is None else (payload.seq + 1) % SEQ_END
        if kind == "NBIRTH":
            self._by_alias.clear()
            self._types.clear()
            self._bd_seq = _bd_seq(payload)
            self.wants_rebirth = False
            return False
        if expected is None or payload.seq == expected:
            return False
        self._by_alias.clear()  # a birth may be what was missed
        self.wants_rebirth = True
        return True

    def _learn(self, device: str, metrics: Iterable[Metric]) -> None:
        named = [metric for metric in metrics if metric.name is not None]
        self._types[device] = {str(metric.name): metric.datatype for metric in named}
        self._by_alias[device] = {
            metric.alias: (str(metric.name), metric.datatype) for metric in named if metric.alias is not None
        }

    def _forget(self, device: str) -> None:
        self._types.pop(device, None)
        self._by_alias.pop(device, None)

    def _named(self, device: str, payload: Payload) -> Iterator[Said]:
        aliases = self._by_alias.get(device, {})
        types = self._types.get(device, {})
        for metric in payload.metrics:
            if metric.name is not None:
                name, born = metric.name, types.get(metric.name)
            elif metric.alias in aliases:
                name, born = aliases[metric.alias]
            else:
                continue
            yield Said(
                name,
                number_of(metric.number(metric.datatype or born)),
                payload.at_ms if metric.at_ms is None else metric.at_ms,
                metric.quality in {None, QUALITY_GOOD},
                metric.is_historical,
            )


def _bd_seq(payload: Payload) -> float | int | None:
    """The number that ties a node's death to its birth."""
    return next((m.number(m.datatype) for m in payload.metrics if m.name == "bdSeq"), None)


class SparkplugDecoder:
    """Makes readings of named metrics.

    Attributes
    ----------
    paths : the names of the metrics that should come.
    """

    def __init__(self, part: MqttPart) -> None:
        self.paths: tuple[str, ...] = tuple(point.path for point in part.points.values())
        self._places: dict[str, list[tuple[int, float, float]]] = {}
        for place, (name, point) in enumerate(part.points.items()):
            factor = conversion(name, point.unit)
            rule = (place, point.scale * factor, point.offset * factor)
            self._places.setdefault(point.path, []).append(rule)

    def readings(self, message: Message, now_ms: int) -> list[tuple[Reading, bool]]:
        """Readings of one message, and whether each is history.

        Metrics of one message belong together, until one comes a second time: then a next instant begins.
        What is sent later from a node's memory stands apart, and has no part in the present.

        Raises
        ------
        PayloadRefused
            When a birth has none of the metrics, or none of the numbers could be told apart.
        """
        wanted = [one for one in message.said if one.name in self._places]
        if not wanted and (message.is_birth or message.unknown):
            code = "no_birth" if message.unknown else "no_metric"
            raise PayloadRefused(code, paths=", ".join(self.paths))
        past = [one for one in wanted if one.is_historical and is_plausible(one.at_ms, now_ms)]
        past.sort(key=lambda one: one.at_ms or 0)
        moments = [(moment, True) for moment in _moments(past, same_time=True)]
        present = (one for one in wanted if not one.is_historical)
        moments += [(moment, False) for moment in _moments(present, same_time=False)]
        if len(moments) > MAX_INSTANTS:
            raise PayloadRefused("too_many_metrics", limit=MAX_INSTANTS)
        return [(self._reading(moment, now_ms), is_past) for moment, is_past in moments]

    def _reading(self, moment: list[Said], now_ms: int) -> Reading:
        values = np.full(sum(map(len, self._places.values())), np.nan)
        quality = np.full(len(values), int(Quality.MISSING), dtype=np.uint8)
        given = np.zeros(len(values), dtype=bool)
        at_ms = max((one.at_ms for one in moment if one.at_ms is not None), default=None)
        is_timed = is_plausible(at_ms, now_ms)
        found = []
        for one in moment:
            for place, scale, offset in self._places[one.name]:
                given[place] = True
                value = one.value * scale + offset
                if math.isfinite(value):
                    values[place] = value
                    quality[place] = Quality.GOOD if one.is_good and is_timed else Quality.SUSPECT
                    found.append(one.name)
        return Reading(values, quality, at_ms if is_timed else None, tuple(found), given)


def _moments(said: Iterable[Said], *, same_time: bool) -> list[list[Said]]:
    moments: list[list[Said]] = []
    names: set[str] = set()
    at_ms: int | None = None
    for one in said:
        if not moments or one.name in names or (same_time and one.at_ms != at_ms):
            moments.append([])
            names.clear()
        moments[-1].append(one)
        names.add(one.name)
        at_ms = one.at_ms
    return moments
