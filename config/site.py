"""The pydantic models of ``site.yaml``.

They describe; loading, positions and cross-checks are in ``config.loading``.
"""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from drivers.settings import Bus, Identifier, Port, Seconds, Secret, Settings

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


class Contract(Settings):
    """What the utility was promised."""

    capacity_kw: float = Field(gt=0, description="Regular contract capacity.")


class CommoditySettings(Settings):
    """One commodity: its base year, and the meters that add up to it."""

    base_year: int = Field(ge=1990, le=2100)
    meters: tuple[Identifier, ...] = Field(
        default=(), description="Meters whose sum is the site's use; empty where only ledgers tell."
    )


class MeterSettings(Settings):
    """What is metered: a counter point of a device."""

    id: Identifier
    name: LocalName
    commodity: Commodity
    counter: str = Field(description="device.point of the counter, as main.energy_import.")
    rate: str | None = Field(
        default=None,
        description="device.point of the rate (kW or m3/h), of the counter's own device and message: "
        "for the interval's maximum and minimum, and the live page's power.",
    )
    max_rate: float = Field(
        gt=0, description="The most this meter can ever see, kW or m3/h: larger steps are refused."
    )


class InfluxSink(Settings):
    """A server that takes InfluxDB's v2 write."""

    kind: Literal["influxdb"]
    id: Identifier
    url: str = Field(pattern=r"^https?://")
    org: str = ""
    bucket: str = Field(min_length=1)
    token: Secret | None = None
    timeout_s: Seconds = 10.0


class PageSettings(Settings):
    """Where ``energy-monitor serve`` listens."""

    host: str = "127.0.0.1"
    port: Port = 8090
    hosts: tuple[str, ...] = Field(
        default=(), description="Further host names under which the page may be opened."
    )


class Site(Settings):
    """The whole of ``site.yaml``."""

    site: SiteFacts
    store: StoreSettings = StoreSettings()
    interval_s: Annotated[
        int, Field(ge=1, le=3600, description="Length of a billing interval; must divide an hour.")
    ] = 900
    contract: Contract | None = None
    commodities: dict[Commodity, CommoditySettings] = Field(default_factory=dict)
    buses: tuple[Bus, ...] = ()
    meters: tuple[MeterSettings, ...] = ()
    sinks: tuple[InfluxSink, ...] = ()
    page: PageSettings = PageSettings()
