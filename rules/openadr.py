"""OpenADR 2.0b: what an event of a utility wants of us, and when.

Pure: the messages were read elsewhere. A signal is a row of intervals with a value each; which value holds is
asked for an instant, so that nothing depends on having been awake when it changed.

References
----------
.. [1] OpenADR 2.0 Profile Specification, B Profile, OpenADR Alliance: eiEventSignal, SIMPLE (0 to 3, normal
   to special) and LOAD_DISPATCH (delta: power relative to what would have been drawn).
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

CLOSED = ("cancelled", "completed")

SCALES: Mapping[str, float] = {
    "p": 1e-12, "n": 1e-9, "micro": 1e-6, "m": 1e-3, "c": 1e-2, "d": 1e-1,
    "none": 1.0, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12,
}  # fmt: skip
"""siScaleCode, factor of each."""

FARTHEST_MS = 10 * 365 * 86_400_000
"""No event is told so long before, or lasts so long."""


@dataclass(frozen=True, slots=True)
class Part:
    """An interval of a signal; ``value`` is a level, or power in the signal's unit."""

    start_ms: int
    end_ms: int
    value: float


@dataclass(frozen=True, slots=True)
class VtnSignal:
    """A signal of an event.

    Attributes
    ----------
    watts : what one of its unit is. [W]; None where it says no unit of power.
    """

    name: str
    kind: str
    parts: tuple[Part, ...]
    watts: float | None = None


@dataclass(frozen=True, slots=True)
class VtnEvent:
    """An event as the VTN tells it.

    Attributes
    ----------
    modification : grows with each change of it.
    end_ms : None where it lasts until it is cancelled.
    tolerance_s : its start may be put off by so much, so that not all begin at once. [s]
    resources : for whom; for all when empty.
    """

    id: str
    modification: int
    status: str
    market_context: str
    start_ms: int
    end_ms: int | None
    tolerance_s: float = 0.0
    resources: frozenset[str] = frozenset()
    is_test: bool = False
    wants_response: bool = True
    signals: tuple[VtnSignal, ...] = ()


@dataclass(frozen=True, slots=True)
class Rule:
    """Which events run a plan; what is empty fits all.

    Attributes
    ----------
    levels : kW that a level wants, None = the whole plan; every level the whole plan when empty.
    """

    plan: str
    programme: str = ""
    signal: str = "SIMPLE"
    market_context: str = ""
    resource: str = ""
    levels: Mapping[int, float | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Want:
    """What is wanted at an instant: nothing, the whole plan (``kw`` None), or so much of it."""

    is_active: bool
    kw: float | None = None


NOTHING = Want(is_active=False)


def fitting(event: VtnEvent, rules: Iterable[Rule]) -> tuple[Rule, VtnSignal] | None:
    """The first rule that fits an event, with the signal that it goes by; None where none does."""
    for rule in rules:
        if rule.market_context and rule.market_context != event.market_context:
            continue
        if rule.resource and event.resources and rule.resource not in event.resources:
            continue
        for signal in event.signals:
            if signal.name.upper() == rule.signal and signal.parts and _is_understood(signal):
                return rule, signal
    return None


def _is_understood(signal: VtnSignal) -> bool:
    if signal.name.upper() == "SIMPLE":
        return all(part.value in (0.0, 1.0, 2.0, 3.0) for part in signal.parts)
    return signal.kind == "delta" and signal.watts is not None


def want(rule: Rule, signal: VtnSignal, value: float) -> Want:
    """What a value of a signal that fits wants."""
    if rule.signal == "SIMPLE":
        return _of_level(rule, round(value))
    kw = -value * (signal.watts or 0.0) / 1000
    return Want(is_active=True, kw=kw) if kw > 0 else NOTHING


def _of_level(rule: Rule, level: int) -> Want:
    """A level that was not named counts as the next one below that was."""
    if not rule.levels:
        return Want(is_active=True) if level else NOTHING
    below = [one for one in rule.levels if one <= level]
    return Want(is_active=True, kw=rule.levels[max(below)]) if below else NOTHING


def want_at(rule: Rule, signal: VtnSignal, at_ms: int) -> Want:
    """What is wanted at an instant; nothing outside of the signal's intervals."""
    for part in signal.parts:
        if part.start_ms <= at_ms < part.end_ms:
            return want(rule, signal, part.value)
    return NOTHING


def begin_ms(event: VtnEvent, ven: str) -> int:
    """When we begin: the same whoever asks, and spread over VENs where the event allows it.

    Parameters
    ----------
    ven : our name, so that each VEN has its own delay.
    """
    digest = hashlib.sha256(f"{ven}\n{event.id}".encode()).digest()
    share = int.from_bytes(digest[:4], "big") / 2**32
    return event.start_ms + round(1000 * event.tolerance_s * share)


def is_far(event: VtnEvent, now_ms: int) -> bool:
    """Whether it begins or ends, with all that it may be put off by, so far away that it is a mistake."""
    last_ms = max(event.start_ms, event.end_ms or event.start_ms) + round(1000 * event.tolerance_s)
    return max(abs(event.start_ms - now_ms), abs(last_ms - now_ms)) > FARTHEST_MS


def most_kw(rule: Rule, signal: VtnSignal) -> float | None:
    """The most that a signal wants over all its intervals; None = the whole plan, 0.0 = never anything."""
    wants = [want(rule, signal, part.value) for part in signal.parts]
    active = [one.kw for one in wants if one.is_active]
    if not active:
        return 0.0
    return None if None in active else max(kw for kw in active if kw is not None)
