"""What the commands about bills share: which site, which meters, which contract."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from zoneinfo import ZoneInfo

from config.loading import LoadedSite, load_site
from config.problems import did_you_mean, hinted
from config.site import Commodity
from config.words import LANGUAGES, preferred_language, say
from monitor.clock import SystemClock
from monitor.demand.bills import BillMaker
from monitor.demand.windows import site_meters
from monitor.store.reader import StoreReader
from rules.tariff.terms import Supply

FINE, PROBLEM, WRONG_USE = 0, 1, 2


class WrongUseError(Exception):
    """What was typed or configured cannot be used; the text says why, with the cure."""


@dataclass(frozen=True, slots=True)
class Desk:
    """A site with its store open, and all that its bills are made of."""

    loaded: LoadedSite
    supply: Supply
    meters: tuple[str, ...]
    maker: BillMaker
    reader: StoreReader
    today: date
    language: str

    @property
    def zone(self) -> ZoneInfo:
        """The site's zone."""
        return ZoneInfo(self.loaded.site.site.timezone)

    @property
    def site_name(self) -> str:
        """The site's name in the language of the output."""
        return self.loaded.site.site.name.in_language("en" if self.language == "en" else "zh-TW")

    def meter_name(self, meter: str) -> str:
        """A meter's name in the language of the output."""
        found = next((one for one in self.loaded.site.meters if one.id == meter), None)
        if found is None:
            return meter
        return f"{found.name.in_language('en' if self.language == 'en' else 'zh-TW')} [{meter}]"


@contextmanager
def desk_of(path: Path, meter: str | None, power_factor: str | None, language: str | None) -> Iterator[Desk]:
    """Open what bills are made of.

    Raises
    ------
    WrongUseError, ConfigurationError, StoreError
    """
    loaded = load_site(path)
    words = chosen_language(language, loaded)
    supply = loaded.supply
    if supply is None:
        raise WrongUseError(say("bill.no_tariff_section", words))
    if not supply.contracts:
        raise WrongUseError(say("bill.no_contract_section", words))
    if power_factor is not None:
        supply = replace(supply, power_factor_percent=_percent(power_factor, words))
    meters = meters_of(loaded, meter, words)
    zone = ZoneInfo(loaded.site.site.timezone)
    today = datetime.fromtimestamp(SystemClock().now_ms() / 1000, UTC).astimezone(zone).date()
    reader = StoreReader.open(loaded.store_path, loaded.site.site.id)
    try:
        maker = BillMaker(loaded, reader, supply, meters, today)
        yield Desk(loaded, supply, meters, maker, reader, today, words)
    finally:
        reader.close()


def chosen_language(wish: str | None, loaded: LoadedSite) -> str:
    """The language of the output: as asked, else the reader's."""
    return wish if wish in LANGUAGES else preferred_language()


def meters_of(loaded: LoadedSite, wish: str | None, language: str) -> tuple[str, ...]:
    """The meter that was named, else those that add up to the site. WrongUseError without any."""
    if wish is None:
        meters = site_meters(loaded.site)
        if not meters:
            raise WrongUseError(say("bill.no_site_meters", language))
        return meters
    known = [one.id for one in loaded.site.meters if one.commodity is Commodity.ELECTRICITY]
    if wish not in known:
        hint = did_you_mean(wish, known)
        raise WrongUseError(hinted(say("bill.no_meter", language, name=wish), hint, language))
    return (wish,)


def _percent(text: str, language: str) -> Decimal:
    found = number_of(text)
    if found is None or not 0 < found <= 100:
        raise WrongUseError(say("bill.bad_power_factor", language, text=text))
    return found


def number_of(text: str) -> Decimal | None:
    """A plain number; None for anything else."""
    try:
        found = Decimal(text)
    except InvalidOperation:
        return None
    return found if found.is_finite() else None


def refused(error: WrongUseError) -> int:
    """Tell what cannot be used; the exit code."""
    sys.stderr.write(f"{error}\n")
    return WRONG_USE
