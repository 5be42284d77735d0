"""Reading a city's database, as a role that was granted ``energy_reader``; nothing is ever written."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import Engine, create_engine, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from monitor.store.city_days import DAYS, KNOWN, NEWEST, NEWEST_OF_METERS, TOTALS, ZONES
from monitor.store.city_streams import CityStreams
from monitor.store.database import StoreError
from monitor.store.streams import RowStreams

_PREFIXES = ("postgresql://", "postgres://")
_TIMEOUT_S, _LONGEST_MS = 10, 60_000


@dataclass(frozen=True, slots=True)
class MeterTotal:
    """What a site's meter used over some days: ``quantity`` in its own unit, ``covered_s`` of seen time."""

    site: str
    meter: str
    quantity: float
    rows: int
    unsure: int
    covered_s: float
    days: int
    first: date
    last: date


@dataclass(frozen=True, slots=True)
class SiteNews:
    """How a site is doing: meters that were heard lately, and the end of the newest interval, seconds UTC."""

    site: str
    meters: int
    end_s: int | None


@dataclass(frozen=True, slots=True)
class DayOfMeter:
    """What a meter used on one local day, in its own unit, and how many of its intervals are doubtful."""

    meter: str
    day: date
    quantity: float
    unsure: int


@dataclass(frozen=True, slots=True)
class NewestOfMeter:
    """A meter's newest interval."""

    meter: str
    start_s: int
    duration_s: int
    quantity: float
    quality: int


class CityReader:
    """Every site's rows, or one's. Each call is one short transaction that can only read.

    Raises
    ------
    StoreError : the database cannot be reached, is not made ready, or this role may not read it.
    """

    def __init__(self, url: str) -> None:
        for prefix in _PREFIXES:
            if url.startswith(prefix):
                url = "postgresql+psycopg://" + url.removeprefix(prefix)
        options = f"-c default_transaction_read_only=on -c statement_timeout={_LONGEST_MS}"
        try:
            self._engine: Engine = create_engine(
                url, poolclass=NullPool, connect_args={"connect_timeout": _TIMEOUT_S, "options": options}
            )
        except (SQLAlchemyError, ValueError) as error:
            raise StoreError("fleet.bad_url") from error

    def totals(self, first: date, last: date, site: str | None) -> list[MeterTotal]:
        """What each meter used over [first, last], by site and meter; ``site`` None = every one."""
        rows = self._asked(TOTALS, {"first": first, "last": last, **_of(site)})
        return [MeterTotal(**{**row, "rows": int(row["rows"]), "unsure": int(row["unsure"])}) for row in rows]

    def news(self, since: date, site: str | None) -> list[SiteNews]:
        """Each site with what was heard since a day."""
        return [SiteNews(**row) for row in self._asked(NEWEST, {"since": since, **_of(site)})]

    def days(self, site: str, first: date, last: date) -> list[DayOfMeter]:
        """What each meter of a site used on each day of [first, last]."""
        return [DayOfMeter(**row) for row in self._asked(DAYS, {"site": site, "first": first, "last": last})]

    def newest(self, site: str, since_s: int) -> list[NewestOfMeter]:
        """The newest interval of each meter of a site that was heard since an instant."""
        rows = self._asked(NEWEST_OF_METERS, {"site": site, "since_s": since_s})
        return [NewestOfMeter(**row) for row in rows]

    def zones(self, site: str | None) -> dict[str, str]:
        """Each site with its time zone, by name; ``site`` None = every one."""
        return {row["site"]: row["zone"] for row in self._asked(ZONES, _of(site))}

    def streams(self, site: str) -> RowStreams:
        """A site's rows in blocks, as a building's own store gives them; see ``in_words``."""
        return CityStreams(self._engine, site)

    def check_site(self, site: str) -> None:
        """Refuse a site that the city does not know. Raises ``StoreError``."""
        if not self._asked(KNOWN, {"site": site}):
            raise StoreError("fleet.no_such_site", site=site)

    def _asked(self, query: str, values: Mapping[str, Any]) -> list[dict[str, Any]]:
        with in_words(), self._engine.connect() as connection:
            return [dict(row) for row in connection.execute(text(query), values).mappings()]


@contextmanager
def in_words() -> Iterator[None]:
    """Turn what the database says into ``StoreError``."""
    try:
        yield
    except DBAPIError as error:
        raise _told(error) from error


def _of(site: str | None) -> dict[str, Any]:
    return {"every": site is None, "site": site or ""}


def _told(error: DBAPIError) -> StoreError:
    state = getattr(error.orig, "sqlstate", None)
    reason = " ".join(str(error.orig).split())
    if state == "42501":
        return StoreError("fleet.may_not_read", reason=reason)
    if state in ("42P01", "3F000", "42703"):
        return StoreError("fleet.not_ready", reason=reason)
    return StoreError("fleet.read_failed", reason=reason)
