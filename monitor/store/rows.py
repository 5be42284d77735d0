"""What goes into the store and comes out of it: rows, and their packing."""

import json
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from rules.intervals import Interval
from rules.quantities import Kind
from rules.scan import Layout, PointSpec, Scan

ScanRow = tuple[int, int, int, bytes, bytes]
"""id, layout_id, at_ms, values as little-endian float64, qualities."""


@dataclass(frozen=True, slots=True)
class IntervalRow:
    """A closed interval of a meter, ready for the store."""

    meter: str
    interval: Interval


@dataclass(frozen=True, slots=True)
class ResultRow:
    """What a rule found: ``data`` is a flat JSON object of numbers and texts."""

    kind: str
    subject: str
    at_s: int
    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class ConditionRow:
    """How a device is doing, since when; ``error`` is {code, data} or None."""

    device: str
    condition: str
    since_ms: int
    error: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class RefusalRow:
    """A reading that was not believed, or only with doubt.

    ``heard_ms`` is when it came, ``data`` what its words are filled with: a flat JSON object.
    """

    meter: str
    at_ms: int
    code: str
    value: float
    heard_ms: int = 0
    data: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class LateRow:
    """A reading with a time of its own that came after newer ones; ``judged`` once it was taken again."""

    meter: str
    at_ms: int
    scan_id: int
    raw: float
    rate: float
    quality: int
    judged: bool = False


@dataclass(frozen=True, slots=True)
class CheckpointRow:
    """A meter's state at its newest reading: every reading that came in time up to ``scan_id`` is in it."""

    meter: str
    at_ms: int
    slot_s: int
    scan_id: int
    state: bytes


FOR_EVER_MS = 2**62


@dataclass(frozen=True, slots=True)
class ReworkRow:
    """A meter whose intervals have to be made again: what is between the instants has changed.

    ``asked`` tells how often it was asked for; 0 to ask once more.
    """

    meter: str
    from_ms: int
    to_ms: int
    asked: int = 0


@dataclass(frozen=True, slots=True)
class Reworked:
    """A rework that is done: late readings up to ``scan_id`` are judged, and states in between are void."""

    row: ReworkRow
    scan_id: int
    void_after_ms: int
    void_before_ms: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The pipeline's state after every scan up to ``scan_id``: bytes a meter, newest scan a layout."""

    scan_id: int
    meters: dict[str, bytes]
    latest: dict[int, Scan]


@dataclass(frozen=True, slots=True)
class DeadLetterRow:
    """A line that a far side will never take, with its words, and where its row stands."""

    sink: str
    at_ms: int
    line: bytes
    reason: str
    stream: str = ""
    position: int = 0


@dataclass(frozen=True, slots=True)
class SettledLetter:
    """What became of a dead letter that was tried again; ``reason`` None leaves the words as they are."""

    id: int
    state: str
    at_ms: int
    reason: str | None = None


@dataclass(slots=True)
class Commit:
    """What belongs into one transaction. ``done`` are called once it is on disk, in the writer's thread."""

    scans: list[ScanRow] = field(default_factory=list)
    intervals: list[IntervalRow] = field(default_factory=list)
    results: list[ResultRow] = field(default_factory=list)
    conditions: list[ConditionRow] = field(default_factory=list)
    refusals: list[RefusalRow] = field(default_factory=list)
    reworked: list[Reworked] = field(default_factory=list)
    late: list[LateRow] = field(default_factory=list)
    reworks: list[ReworkRow] = field(default_factory=list)
    checkpoints: list[CheckpointRow] = field(default_factory=list)
    begun_anew: list[str] = field(default_factory=list)  # meters whose earlier states are void
    cursors: dict[tuple[str, str], int] = field(default_factory=dict)
    dead_letters: list[DeadLetterRow] = field(default_factory=list)
    settled_letters: list[SettledLetter] = field(default_factory=list)
    snapshot: Snapshot | None = None
    done: list[Callable[[], None]] = field(default_factory=list)

    def __bool__(self) -> bool:
        """Whether there is anything to write or to answer."""
        return bool(
            self.scans
            or self.intervals
            or self.results
            or self.conditions
            or self.refusals
            or self.reworked
            or self.late
            or self.reworks
            or self.checkpoints
            or self.begun_anew
            or self.cursors
            or self.dead_letters
            or self.settled_letters
            or self.snapshot
            or self.done
        )


def pack_scan(scan: Scan) -> tuple[bytes, bytes]:
    """Values and qualities as the store keeps them."""
    return scan.values.astype("<f8", copy=False).tobytes(), scan.quality.tobytes()


def unpack_scan(layout: Layout, at_ms: int, values: bytes, quality: bytes) -> Scan:
    """Make a scan of a stored row."""
    return Scan(layout, at_ms, np.frombuffer(values, dtype="<f8"), np.frombuffer(quality, dtype=np.uint8))


def layout_to_json(layout: Layout) -> str:
    """What a scan's blobs mean, as text; stable, for it is part of a key."""
    points = [
        [p.name, p.unit, p.kind.value, _finite(p.low), _finite(p.high), p.rolls_over_at]
        for p in layout.points
    ]
    return json.dumps({"family": layout.family, "points": points}, separators=(",", ":"))


def layout_from_json(device: str, part: str, text: str) -> Layout:
    """Inverse of ``layout_to_json``."""
    spec = json.loads(text)
    points = tuple(
        PointSpec(
            name,
            unit,
            Kind(kind),
            -math.inf if low is None else low,
            math.inf if high is None else high,
            rolls,
        )
        for name, unit, kind, low, high, rolls in spec["points"]
    )
    return Layout(device, part, spec["family"], points)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def null_if_nan(value: float) -> float | None:
    """NaN is NULL in the store."""
    return None if math.isnan(value) else value
