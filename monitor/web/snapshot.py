"""Everything that the page shows at one instant, as numbers; the words are made in ``view``."""

import math
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from config.site import Commodity, LocalName
from monitor.adjusted.shown import ExpectedNow
from monitor.findings import Finding, PointDoubt
from monitor.store.counts import CountsRow
from monitor.web.halfyear import HalfYear
from monitor.web.reading import Lack, Reading, missing
from rules.demand import DemandWindow
from rules.quality import Quality


@dataclass(frozen=True, slots=True)
class OpenWindow:
    """The open demand window, how well it is known, and when its newest reading was."""

    demand: DemandWindow
    reading: Reading


@dataclass(frozen=True, slots=True)
class DayCurve:
    """Mean power by interval of one local day: hours since midnight, kW; NaN = not known.

    ``highest`` is the position of the maximum, None without one; ``highest_quality`` is that of the
    maximum and ``highest_ms`` the end of its interval.
    """

    day: date
    hours: tuple[float, ...]
    mean_kw: tuple[float, ...]
    highest: int | None
    highest_quality: Quality = Quality.MISSING
    highest_ms: int | None = None


@dataclass(frozen=True, slots=True)
class ChillerState:
    """One chiller now; ``cooling_kw`` only where its flow is measured."""

    device: str
    power: Reading
    load_pct: Reading
    supply_c: Reading
    return_c: Reading
    cooling_kw: Reading


@dataclass(frozen=True, slots=True)
class PlantState:
    """All chillers together."""

    power: Reading
    tons: Reading
    kw_per_rt: Reading
    chillers: tuple[ChillerState, ...]


@dataclass(frozen=True, slots=True)
class DeviceState:
    """How a device is doing; ``condition`` is ``waiting`` before the first news.

    ``refused`` counts the readings of its meters that were refused or doubted in the last day; ``findings``
    are what a person should look at about them, ``doubts`` the values that are suspect now, ``counts`` what
    its driver counted. A virtual meter that waits for a part stands here too, and has a ``formula``.
    """

    id: str
    model: str
    meters: tuple[LocalName, ...]
    condition: str
    since_ms: int | None
    error: dict[str, Any] | None
    heard_ms: int | None
    formula: str = ""
    refused: int = 0
    findings: tuple[Finding, ...] = ()
    doubts: tuple[PointDoubt, ...] = ()
    counts: CountsRow | None = None

    @property
    def doubtful(self) -> bool:
        """Whether it answers, and not all that it says can be believed."""
        return self.condition in ("online", "degraded") and bool(self.findings or self.doubts)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The page's content at ``now_ms``.

    ``demand_error`` is {code, data} while the daemon's alarm about the contract stands,
    ``openadr_error`` while a utility's VTN does not answer as it must,
    ``clock_error`` while the daemon does not believe its machine's clock.
    ``store_troubles`` are {code, data} each: a store near its cap, a damaged one that was set aside.
    ``trouble`` is {code, data} while the store cannot be read, ``stopped_ms`` since when nothing was
    written although something should have been. ``window_lacks`` are the meters without which the window
    is shown, or not known. ``events`` are the curtailment events that are worth a look, as data;
    ``limiter`` is how the demand limiter stands, None for a site without one.
    """

    now_ms: int
    interval_s: int
    contract_kw: float | None
    trouble: dict[str, Any] | None = None
    newest_ms: int | None = None
    stopped_ms: int | None = None
    window: OpenWindow | None = None
    window_lacks: tuple[Lack, ...] = ()
    power: Reading = field(default_factory=lambda: missing("kW"))
    power_point: tuple[int, float] | None = None
    today: Reading = field(default_factory=lambda: missing("kWh"))
    today_curve: DayCurve | None = None
    half_years: dict[Commodity, HalfYear] = field(default_factory=dict)
    plant: PlantState | None = None
    flow: Reading = field(default_factory=lambda: missing("m3/h"))
    water_today: Reading = field(default_factory=lambda: missing("m3"))
    temperature: Reading = field(default_factory=lambda: missing("degC"))
    humidity: Reading = field(default_factory=lambda: missing("%"))
    wet_bulb: Reading = field(default_factory=lambda: missing("degC"))
    devices: tuple[DeviceState, ...] = ()
    clock_error: dict[str, Any] | None = None
    demand_error: dict[str, Any] | None = None
    openadr_error: dict[str, Any] | None = None
    store_troubles: tuple[dict[str, Any], ...] = ()
    charts_version: str = ""
    expected: tuple[ExpectedNow, ...] = ()
    events: tuple[dict[str, Any], ...] = ()
    limiter: dict[str, Any] | None = None

    @property
    def waiting(self) -> bool:
        """Whether there is nothing to show yet."""
        return self.trouble is not None and self.newest_ms is None


def finite(value: float) -> float | None:
    """NaN is null outside."""
    return value if math.isfinite(value) else None
