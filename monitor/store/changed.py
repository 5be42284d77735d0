"""Rows of the streams that sinks follow, as they get them."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class ChangedInterval:
    """An interval row as sinks get it."""

    seq: int
    meter: str
    start_s: int
    duration_s: int
    quantity: float
    coverage: float
    quality: int
    rate_avg: float | None
    rate_max: float | None
    rate_min: float | None
    rev: int
    caught_up: int = 0
    register_start: float | None = None
    register_end: float | None = None
    epoch: int = 0
    factor: float = 1.0
    import_id: int | None = None


@dataclass(frozen=True, slots=True)
class ChangedResult:
    """A result row as sinks get it."""

    seq: int
    kind: str
    subject: str
    at_s: int
    data: dict[str, Any]
    rev: int
