"""What the page shows of a site: which meters are the building, which are chillers, how often each speaks."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from config.counters import counter_limits
from config.loading import LoadedSite, PlacedDevice
from config.meter_checks import formulas_of
from config.site import Commodity, LocalName, MeterSettings, Site
from monitor.silence import stale_after_s
from rules.counters import CounterLimits
from rules.formulas import over_registers

POWER_SUFFIX = "-power"
"""The meter ``ch-1-power`` measures the power of the chiller ``ch-1``."""


@dataclass(frozen=True, slots=True)
class PointAt:
    """One point of one device."""

    device: str
    point: str

    @classmethod
    def of(cls, text: str) -> "PointAt":
        """Read ``device.point``."""
        device, _, point = text.partition(".")
        return cls(device, point)


@dataclass(frozen=True, slots=True)
class MeterPlan:
    """A meter as the page reads it."""

    id: str
    name: LocalName
    counter: PointAt
    rate: PointAt | None
    limits: CounterLimits


@dataclass(frozen=True, slots=True)
class SumPlan:
    """A virtual meter: its formula, and what it is over registers."""

    id: str
    name: LocalName
    formula: str
    terms: tuple[tuple[float, MeterPlan], ...]


AnyMeter = MeterPlan | SumPlan


def registers_of(meters: Iterable[AnyMeter]) -> dict[str, MeterPlan]:
    """The meters with a register behind some meters, by id; each once."""
    found: dict[str, MeterPlan] = {}
    for meter in meters:
        parts = [meter] if isinstance(meter, MeterPlan) else [part for _, part in meter.terms]
        found |= {part.id: part for part in parts}
    return found


def shares_of(meters: Iterable[AnyMeter]) -> tuple[list[float], list[MeterPlan]]:
    """What a sum over meters is over registers: each register's share of it, and the register."""
    shares: dict[str, float] = {}
    registers: dict[str, MeterPlan] = {}
    for meter in meters:
        terms = [(1.0, meter)] if isinstance(meter, MeterPlan) else meter.terms
        for share, part in terms:
            shares[part.id] = shares.get(part.id, 0.0) + share
            registers[part.id] = part
    return list(shares.values()), list(registers.values())


@dataclass(frozen=True, slots=True)
class DevicePlan:
    """A device and what it stands for; silent for longer than ``stale_after_ms`` its values are old."""

    id: str
    model: str
    family: str
    stale_after_ms: int
    meters: tuple[LocalName, ...]


@dataclass(frozen=True, slots=True)
class ChillerPlan:
    """A chiller and the meter of its power, where there is one."""

    device: str
    power: AnyMeter | None


@dataclass(frozen=True, slots=True)
class SitePlan:
    """Everything the page needs to know before the first reading."""

    site: Site
    zone: ZoneInfo
    devices: dict[str, DevicePlan]
    building: dict[Commodity, tuple[AnyMeter, ...]]
    virtual: tuple[SumPlan, ...]
    chillers: tuple[ChillerPlan, ...]
    headers: tuple[str, ...]
    weather: tuple[str, ...]

    @property
    def interval_ms(self) -> int:
        """Length of the billing interval."""
        return self.site.interval_s * 1000

    def traced(self) -> tuple[MeterPlan, ...]:
        """Every meter whose register and rate the page follows."""
        meters = [meter for group in self.building.values() for meter in group]
        meters += [chiller.power for chiller in self.chillers if chiller.power]
        return tuple(registers_of(meters).values())

    def stale_after_ms(self, device: str) -> int:
        """How long a device may be silent."""
        return self.devices[device].stale_after_ms


def plan_site(loaded: LoadedSite) -> SitePlan:
    """Read off a site file what the page shows."""
    site = loaded.site
    placed = loaded.placed()
    meters = _meters(loaded, placed)
    devices = _devices(loaded, placed)
    chillers = tuple(
        ChillerPlan(device.id, meters.get(device.id + POWER_SUFFIX))
        for device in devices.values()
        if device.family == "chiller"
    )
    return SitePlan(
        site=site,
        zone=ZoneInfo(site.site.timezone),
        devices=devices,
        building={
            # What only people read is not live.
            commodity: tuple(meters[id_] for id_ in settings.meters if id_ in meters)
            for commodity, settings in site.commodities.items()
        },
        virtual=tuple(meter for meter in meters.values() if isinstance(meter, SumPlan)),
        chillers=chillers,
        headers=_of_family(devices, "chilled_water"),
        weather=_of_family(devices, "weather"),
    )


def _of_family(devices: dict[str, DevicePlan], family: str) -> tuple[str, ...]:
    return tuple(device.id for device in devices.values() if device.family == family)


def _meters(loaded: LoadedSite, devices: Mapping[str, PlacedDevice]) -> dict[str, AnyMeter]:
    registers = {meter.id: _meter(meter, devices) for meter in loaded.site.meters if meter.formula is None}
    formulas = formulas_of(loaded.site)
    meters: dict[str, AnyMeter] = {}
    for settings in loaded.site.meters:
        if settings.formula is None:
            meters[settings.id] = registers[settings.id]
            continue
        shares = over_registers(formulas, settings.id)
        terms = tuple((share, registers[part]) for part, share in shares.items())
        meters[settings.id] = SumPlan(settings.id, settings.name, settings.formula, terms)
    return meters


def _meter(settings: MeterSettings, devices: Mapping[str, PlacedDevice]) -> MeterPlan:
    counter = PointAt.of(settings.counter)
    point = devices[counter.device].profile.every_point().get(counter.point)
    return MeterPlan(
        id=settings.id,
        name=settings.name,
        counter=counter,
        rate=PointAt.of(settings.rate) if settings.rate else None,
        limits=counter_limits(settings, point.rolls_over_at if point else None),
    )


def _devices(loaded: LoadedSite, placed: Mapping[str, PlacedDevice]) -> dict[str, DevicePlan]:
    names: dict[str, list[LocalName]] = {}
    for meter in loaded.site.meters:
        if meter.formula is None:
            names.setdefault(PointAt.of(meter.counter).device, []).append(meter.name)
    return {
        id_: DevicePlan(
            id=id_,
            model=device.profile.full_name,
            family=device.profile.family,
            stale_after_ms=round(1000 * stale_after_s(device)),
            meters=tuple(names.get(id_, ())),
        )
        for id_, device in placed.items()
    }
