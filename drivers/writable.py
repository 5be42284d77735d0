"""What a profile says of points that may be written, whatever carries them."""

import math

from pydantic import Field

from drivers.contract import NotWritable, OutOfRange, Where
from drivers.settings import Settings
from rules.shedding import Sheds


class Writable(Settings):
    """What may be written to a point, and what the device bears. Everything in the product's unit."""

    between: tuple[float, float]
    writes_per_day: int = Field(default=96, ge=1, description="Memory cells wear out: the budget of writes.")
    read_back: str | None = Field(
        default=None,
        description="The point that shows what the device goes by; itself when left out.",
    )
    release: float | None = Field(
        default=None, description="The value that hands control back to the device's own controller."
    )
    sheds: Sheds | None = Field(
        default=None,
        description="Which way it sheds load: down (a limit), up (a chilled-water set-point) or either "
        "(on, off); known of the usual quantities.",
    )
    settle_s: float = Field(
        default=2.0,
        ge=0,
        le=300,
        description="The device shows what was written at the latest after so long.",
    )


EVERYTHING = (-math.inf, math.inf)


def allows(writable: Writable, value: float) -> bool:
    """Whether a value may be written; what the register's scale makes of it is not exact."""
    low, high = writable.between
    slack = 1e-9 * max(abs(low), abs(high), 1.0)
    if writable.release is not None and math.isclose(value, writable.release, abs_tol=slack):
        return True
    return low - slack <= value <= high + slack


def checked(
    writable: Writable | None,
    where: Where,
    point: str,
    value: float,
    back_within: tuple[float, float] | None = None,
) -> Writable:
    """What the profile says of a point that is to be written. Raises ``NotWritable`` or ``OutOfRange``.

    Parameters
    ----------
    back_within : what may be handed back beside what may be written: all that the point may show. What the
        device stood at by itself it bears, whatever we may ask of it.
    """
    if writable is None:
        raise NotWritable(where, point=point)
    low, high = writable.between
    if back_within is not None:
        low, high = min(low, back_within[0]), max(high, back_within[1])
    if not (allows(writable, value) or (math.isfinite(value) and low <= value <= high)):
        raise OutOfRange(where, point=point, value=f"{value:g}", low=f"{low:g}", high=f"{high:g}")
    return writable
