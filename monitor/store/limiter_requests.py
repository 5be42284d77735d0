"""What is asked of the demand limiter: rows in the request box, and what is answered."""

from dataclasses import dataclass, field
from typing import Any, Literal

from sqlalchemy import Engine

from monitor.store.deliveries import add_audit
from monitor.store.limiting import LimiterRecord, keep_record


@dataclass(frozen=True, slots=True)
class SimulatedRequest:
    """A year that the limiter was taken through.

    Attributes
    ----------
    digest : of plan and settings that it holds for.
    detail : its figures, as ``dr simulate --json`` prints them.
    """

    digest: str
    who: str
    at_ms: int
    detail: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ArmRequest:
    """Arm the limiter of the site file, or take that back.

    Attributes
    ----------
    operator, key : who arms it; handing back needs neither. The key is forgotten once it was looked at.
    """

    what: Literal["arm", "disarm"]
    asked_ms: int
    who: str
    operator: str = ""
    key: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class LimiterOutcome:
    """What became of it: kept, armed, disarmed, or unchanged."""

    state: str


def keep_simulated(engine: Engine, site: str, request: SimulatedRequest) -> LimiterOutcome:
    """Keep a year's figures. The engine is the writer's."""
    keep_record(
        engine, site, LimiterRecord("simulated", request.digest, request.who, request.at_ms, request.detail)
    )
    told = {key: request.detail.get(key) for key in ("plan", "year", "source", "saved_kw")}
    add_audit(engine, site, request.at_ms, request.who, "dr.simulate", {"digest": request.digest, **told})
    return LimiterOutcome("kept")
