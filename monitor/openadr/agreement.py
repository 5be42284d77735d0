"""What stands between a VTN and us about one event: our answer, what goes on by it, and why we are out."""

from dataclasses import dataclass
from typing import Any

from monitor.store.database import StoreError
from monitor.store.openadr import ENDED_HERE, VtnEventRow
from monitor.timestamps import iso_utc
from rules.openadr import FARTHEST_MS, Rule, VtnEvent, VtnSignal, Want, is_far


@dataclass(frozen=True, slots=True)
class Opt:
    """What a VTN is answered: in or out, to an event at a number of its change."""

    event: str
    modification: int
    is_in: bool


@dataclass(slots=True)
class Held:
    """An event of ours that goes on by what a VTN says.

    Attributes
    ----------
    delay_ms : by how much we begin later than all.
    told : what the desk was told last.
    is_lost : the VTN is silent for so long that its signal is unknown, and that was told.
    """

    event: str
    rule: Rule
    signal: VtnSignal
    delay_ms: int
    told: Want
    is_lost: bool = False


def note_of(event: VtnEvent) -> str:
    """What our event says of where it comes from."""
    return " ".join(part for part in ("OpenADR", event.id, event.market_context) if part)


def trouble(error: StoreError) -> dict[str, Any]:
    """A refusal as the store keeps it."""
    return {"code": error.code, "data": {key: str(value) for key, value in error.data.items()}}


def unforeseen(error: Exception) -> dict[str, Any]:
    """What nobody meant to happen, as the store keeps it."""
    return {"code": "openadr.unforeseen", "data": {"reason": f"{type(error).__name__}: {error}"}}


def check_free(known: VtnEventRow | None) -> None:
    """What was ended here stays so, however often the VTN changes it. Raises ``StoreError``."""
    if known is not None and known.reason is not None and known.reason["code"] == ENDED_HERE:
        raise StoreError(ENDED_HERE, **known.reason["data"])


def check_near(event: VtnEvent, now_ms: int) -> None:
    """No calendar reaches every instant that a message can name. Raises ``StoreError``."""
    if is_far(event, now_ms):
        raise StoreError("openadr.too_far", years=FARTHEST_MS // (365 * 86_400_000), now=iso_utc(now_ms))
