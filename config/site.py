"""The pydantic models of ``site.yaml``.

They describe; loading, positions and cross-checks are in ``config.loading``.
"""

from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AwareDatetime, Field

from config.curtailment import CurtailmentSettings
from config.days import Day
from config.limiter import LimiterSettings
from config.sinks import InfluxSink, MqttSink, PostgresSink
from drivers.settings import Bus, Identifier, Port, Seconds, Settings

Language = Literal["zh-TW", "en"]


class Commodity(StrEnum):
    """What is metered and answered for."""

    ELECTRICITY = "electricity"
    WATER = "water"
    CHILLED_WATER = "chilled_water"
    VEHICLE_FUEL = "vehicle_fuel"
    RAINWATER = "rainwater"


COMMODITY_UNITS: dict[Commodity, str] = {
    Commodity.ELECTRICITY: "kWh",
    Commodity.WATER: "m3",
    Commodity.CHILLED_WATER: "kWh",
    Commodity.VEHICLE_FUEL: "L",
    Commodity.RAINWATER: "m3",
}


class LocalName(Settings):
    """A name in both languages."""

    zh_TW: str = Field(alias="zh-TW")
    en: str

    def in_language(self, language: Language) -> str:
        """The name in one language."""
        return self.en if language == "en" else self.zh_TW


class SiteFacts(Settings):
    """Which building this is."""

    id: Identifier
    name: LocalName
    timezone: str = Field(default="Asia/Taipei", description="IANA name, as Asia/Taipei.")
    language: Language = Field(default="zh-TW", description="Of page and reports, unless asked otherwise.")


class StoreSettings(Settings):
    """Where everything is kept. A relative path counts from the site file's folder."""

    path: str = "data/energy.db"
    keep_scans_days: int = Field(default=400, ge=1)
    max_size_gb: float | None = Field(
        default=None,
        gt=0,
        description="At this size the oldest raw readings are given up; no cap when left out.",
    )


class Capacities(Settings):
    """Contract capacities: what may be drawn in a period is those up to it, added."""

    capacity_kw: float = Field(gt=0, description="Regular contract capacity (經常契約容量).")
    half_peak_kw: float = Field(default=0, ge=0, description="Half-peak capacity, on top of the regular one.")
    saturday_half_peak_kw: float = Field(default=0, ge=0, description="Saturday half-peak capacity, on top.")
    off_peak_kw: float = Field(default=0, ge=0, description="Off-peak capacity, on top.")


class CapacityChange(Capacities):
    """From a day on the contract is another: all of its capacities are said anew."""

    since: Day = Field(alias="from", description="The first day, as 2026-07-01.")


class Contract(Capacities):
    """What the utility was promised."""

    changes: tuple[CapacityChange, ...] = Field(
        default=(), description="Later contracts, each from a day on, oldest first."
    )
    alarm_percent: float = Field(
        default=95, ge=50, le=100, description="Of the contract, from which on the projection is an alarm."
    )

    def on(self, day: date) -> Capacities:
        """The capacities that hold on a day."""
        return max((one for one in self.changes if one.since <= day), key=lambda one: one.since, default=self)


class TariffPlan(Settings):
    """A tariff that the site is billed by, from a day to a day, both included."""

    name: str = Field(
        min_length=1, description="As taipower-hv-three-stage, or the path of a file of one's own."
    )
    since: Day | None = Field(default=None, alias="from", description="The first day; always, when left out.")
    to: Day | None = Field(default=None, description="The last day; for good, when left out.")


class TariffSettings(Settings):
    """What electricity costs here."""

    plans: tuple[TariffPlan, ...] = Field(min_length=1, description="Tariffs by time; they do not overlap.")
    calendar: str | None = Field(
        default=None,
        description="Off-peak days: a calendar's name or path, where it is not the tariff's own.",
    )
    power_factor_percent: Decimal | None = Field(
        default=None, gt=0, le=100, description="Monthly mean power factor, as the bill states it."
    )


SecondDriver = Literal["wet_bulb", "enthalpy"]


class WeatherSettings(Settings):
    """Where models of expected use have their weather from: the site's own station, an import, or both.

    One source answers for base year and period alike: the one that knows more of both.
    """

    temperature: str | None = Field(
        default=None, description="device.point of the site's own station, as roof.temperature."
    )
    humidity: str | None = Field(
        default=None, description="device.point of its relative humidity, as roof.humidity."
    )
    imported: str | None = Field(
        default=None,
        min_length=1,
        description="Station whose imported weather is used; any that was imported when left out.",
    )


class PlausibleSettings(Settings):
    """What a bill, a log or a reading by hand can say: mean use a day, in the commodity's unit."""

    least_a_day: float = Field(default=0.0, ge=0, description="Less is refused, as from a slip misread.")
    most_a_day: float = Field(gt=0, description="More is refused: the most that was ever used, generously.")


class CommoditySettings(Settings):
    """One commodity: its base year, and the meters that add up to it."""

    base_year: int = Field(ge=1990, le=2100)
    meters: tuple[Identifier, ...] = Field(
        default=(), description="Meters whose sum is the site's use; empty where only ledgers tell."
    )
    second_driver: SecondDriver | None = Field(
        default=None,
        description="Moisture beside the temperature in models of expected use, for chilled water: "
        "wet_bulb or enthalpy. Needs humidity.",
    )
    plausible: PlausibleSettings | None = Field(
        default=None, description="What bills, logs and readings by hand of the commodity can say."
    )


class MeterChange(Settings):
    """From an instant on the register counts otherwise: another transformer ratio or pulse weight."""

    at: AwareDatetime = Field(description="ISO 8601 with its zone, as 2026-03-01T09:00:00+08:00.")
    factor: float = Field(gt=0, description="What the register's advance is multiplied by from then on.")
    reason: str = Field(min_length=1, description="What was changed and by whom: an auditor reads it.")


class MeterSettings(Settings):
    """What is metered: a counter point of a device, or a formula over other meters."""

    id: Identifier
    name: LocalName
    commodity: Commodity
    counter: str = Field(default="", description="device.point of the counter, as main.energy_import.")
    formula: str | None = Field(
        default=None,
        description="A virtual meter: a sum over other meters, as 'main_1 + main_2 - 0.5 * tenant'.",
    )
    rate: str | None = Field(
        default=None,
        description="device.point of the rate (kW or m3/h), of the counter's own device and message: "
        "for the interval's maximum and minimum, and the live page's power.",
    )
    max_rate: float | None = Field(
        default=None,
        gt=0,
        description="The most this meter can ever see, kW or m3/h: larger steps are refused. "
        "A counter must have it; a formula has its parts'.",
    )
    factor: float = Field(
        default=1.0, gt=0, description="What the register is multiplied by: transformer ratio, pulse weight."
    )
    changes: tuple[MeterChange, ...] = Field(
        default=(), description="Dated changes of the factor, oldest first."
    )
    stuck_after_s: Seconds | None = Field(
        default=None,
        description="With a rate well above zero, a register that stands still so long is stuck; "
        "an hour when left out.",
    )
    plausible: PlausibleSettings | None = Field(
        default=None,
        description="What its bills and readings by hand can say; up to 24 hours of max_rate when left out.",
    )


class ManualMeterSettings(Settings):
    """A register that nobody reads but people: it has readings by hand, and no device."""

    id: Identifier
    name: LocalName
    commodity: Commodity
    plausible: PlausibleSettings | None = Field(
        default=None, description="What its readings can say, as mean use a day."
    )


class LoggerSettings(Settings):
    """Somebody who may write in the page's logbook, with a key of their own."""

    id: Identifier
    key: str = Field(
        pattern=r"^\$argon2id\$", description="What 'energy-monitor log key' prints; never the key itself."
    )


class PageSettings(Settings):
    """Where ``energy-monitor serve`` listens."""

    host: str = "127.0.0.1"
    port: Port = 8090
    hosts: tuple[str, ...] = Field(
        default=(), description="Further host names under which the page may be opened."
    )
    loggers: tuple[LoggerSettings, ...] = Field(
        default=(), description="Who may write in the page's logbook; nobody when left out."
    )


class People(Settings):
    """How many people the building has, from a day on."""

    start: Day = Field(alias="from")
    count: int = Field(gt=0, description="Who is there on a working day, visitors left out.")
    source: str = Field(min_length=1, description="Where it is written, as a payroll.")


class BuildingSettings(Settings):
    """What key figures are divided by."""

    floor_area_m2: float | None = Field(default=None, gt=0, description="All floors, parking with them.")
    parking_area_m2: float = Field(default=0.0, ge=0)
    with_parking: bool = Field(default=False, description="Whether parking counts for kWh a square metre.")
    people: tuple[People, ...] = Field(default=(), description="Dated, oldest first.")


class PriceSettings(Settings):
    """What a unit costs from a day on, for what a saving is worth; bills are the tariff's."""

    commodity: Commodity
    start: Day = Field(alias="from")
    price: float = Field(gt=0, description="Money a unit, as 3.79.")
    currency: str = Field(default="NT$", min_length=1, max_length=8)
    source: str = Field(min_length=1)


class EmissionSettings(Settings):
    """An emission factor of one's own, from a day on; it goes before the product's."""

    commodity: Commodity
    start: Day = Field(alias="from")
    through: Day | None = Field(default=None, description="Last day, included; it goes on when left out.")
    kg_co2e: float = Field(ge=0, description="Of one unit of the commodity.")
    source: str = Field(min_length=1)


class TargetSettings(Settings):
    """What a period shall come to."""

    id: Identifier
    name: LocalName
    commodity: Commodity
    period: str = Field(pattern=r"^[0-9]{4}(H[12])?$", description="A year or half-year: 2017 or 2017H1.")
    quantity: float = Field(gt=0, description="In the commodity's unit.")
    sense: Literal["at_least", "at_most"] = Field(
        default="at_most", description="at_least where more is better, as of rainwater."
    )


class Site(Settings):
    """The whole of ``site.yaml``."""

    site: SiteFacts
    store: StoreSettings = StoreSettings()
    interval_s: Annotated[
        int, Field(ge=1, le=3600, description="Length of a billing interval; must divide an hour.")
    ] = 900
    contract: Contract | None = None
    weather: WeatherSettings = WeatherSettings()
    calendar: str | None = Field(
        default=None,
        description="Worked days and holidays for models of expected use: taiwan, or a YAML file of one's "
        "own. Days of the week alone when left out.",
    )
    tariff: TariffSettings | None = None
    commodities: dict[Commodity, CommoditySettings] = Field(default_factory=dict)
    buses: tuple[Bus, ...] = ()
    meters: tuple[MeterSettings, ...] = ()
    manual_meters: tuple[ManualMeterSettings, ...] = Field(
        default=(), description="Registers that are read by hand alone."
    )
    sinks: tuple[Annotated[InfluxSink | PostgresSink | MqttSink, Field(discriminator="kind")], ...] = ()
    page: PageSettings = PageSettings()
    curtailment: CurtailmentSettings = CurtailmentSettings()
    limiter: LimiterSettings | None = None
    building: BuildingSettings = BuildingSettings()
    prices: tuple[PriceSettings, ...] = ()
    emission_factors: tuple[EmissionSettings, ...] = ()
    targets: tuple[TargetSettings, ...] = ()


def every_meter(site: Site) -> tuple[MeterSettings | ManualMeterSettings, ...]:
    """Meters with a register or a formula, then those that only people read."""
    return (*site.meters, *site.manual_meters)
