"""What imports have to know of the site."""

from collections.abc import Mapping
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from config.loading import LoadedSite
from config.site import Commodity


@dataclass(frozen=True, slots=True)
class MeterFacts:
    """What an import has to know of a meter; ``max_rate`` in kW or m3/h."""

    commodity: Commodity
    max_rate: float | None
    is_virtual: bool


@dataclass(frozen=True, slots=True)
class SiteFacts:
    """What an import has to know of the site, and when it is made."""

    zone: ZoneInfo
    interval_s: int
    meters: Mapping[str, MeterFacts]
    now_s: int


def site_facts(loaded: LoadedSite, now_s: int) -> SiteFacts:
    """The facts of a site file."""
    meters = {
        meter.id: MeterFacts(meter.commodity, meter.max_rate, meter.formula is not None)
        for meter in loaded.site.meters
    }
    return SiteFacts(ZoneInfo(loaded.site.site.timezone), loaded.site.interval_s, meters, now_s)
