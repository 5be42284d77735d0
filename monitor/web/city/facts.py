"""What the city's page knows: read from the city's database at most every few seconds, for all viewers."""

import threading
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Generic, TypeVar
from zoneinfo import ZoneInfo

from monitor.clock import Clock
from monitor.store.city_reader import CityReader, DayOfMeter, MeterTotal, NewestOfMeter, SiteNews
from monitor.store.database import StoreError
from rules.calendar import reporting_period

SILENT_S = 2 * 3600
"""A site from which nothing new has come for so long is silent."""

LOOKED_AT_DAYS, SHOWN_DAYS = 30, 14
FRESH_S = 15.0
"""How old an answer may be that another viewer has had."""

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class SiteState:
    """A site: who it is, how many meters were heard lately, and when its newest interval ended."""

    site: str
    zone: ZoneInfo
    meters: int
    end_s: int | None
    silent: bool


@dataclass(frozen=True, slots=True)
class MeterState:
    """A meter of a site: its newest interval, its days, and the half-year so far (None before its first)."""

    meter: str
    newest: NewestOfMeter | None
    days: Mapping[date, DayOfMeter]
    half_year: MeterTotal | None


@dataclass(frozen=True, slots=True)
class Site:
    """Everything that the page of one site shows."""

    state: SiteState
    today: date
    half_year: str
    days: tuple[date, ...]
    meters: tuple[MeterState, ...]


class Kept(Generic[Answer]):
    """Answers that several viewers share; when the database does not answer, the last ones."""

    def __init__(self, ask: Callable[..., Answer], clock: Clock) -> None:
        self._ask = ask
        self._clock = clock
        self._lock = threading.Lock()
        self._known: dict[Hashable, tuple[float, Answer]] = {}

    def get(self, *key: Hashable) -> tuple[Answer | None, StoreError | None]:
        """The answer, and what kept the database from giving a new one.

        Raises
        ------
        StoreError : what was asked for is not there, or nothing is known and the database does not answer.
        """
        with self._lock:
            known = self._known.get(key)
            if known is not None and self._clock.monotonic_s() - known[0] < FRESH_S:
                return known[1], None
            try:
                answer = self._ask(*key)
            except StoreError as error:
                if known is None or error.code == "fleet.no_such_site":
                    raise
                return known[1], error
            self._known[key] = (self._clock.monotonic_s(), answer)
            return answer, None


class CityFacts:
    """The sites of a city, or the one that is to be shown.

    Parameters
    ----------
    only : a site's id; None for every site.
    """

    def __init__(self, reader: CityReader, clock: Clock, only: str | None = None) -> None:
        self._reader = reader
        self._clock = clock
        self.only = only
        self.sites = Kept(self._sites, clock)
        self.site = Kept(self._site, clock)

    def _now_s(self) -> float:
        return self._clock.now_ms() / 1000

    def _sites(self) -> tuple[SiteState, ...]:
        zones = self._reader.zones(self.only)
        since = datetime.fromtimestamp(self._now_s(), UTC).date() - timedelta(days=LOOKED_AT_DAYS)
        states = [self._state(news, zones) for news in self._reader.news(since, self.only)]
        return tuple(sorted(states, key=lambda one: (not one.silent, one.site)))

    def _state(self, news: SiteNews, zones: Mapping[str, str]) -> SiteState:
        silent = news.end_s is None or self._now_s() - news.end_s > SILENT_S
        return SiteState(news.site, ZoneInfo(zones[news.site]), news.meters, news.end_s, silent)

    def _site(self, name: str) -> Site:
        if self.only not in (None, name):
            raise StoreError("fleet.no_such_site", site=name)
        self._reader.check_site(name)
        zones = self._reader.zones(name)
        now = datetime.fromtimestamp(self._now_s(), ZoneInfo(zones[name]))
        today = now.date()
        days = tuple(today - timedelta(days=n) for n in reversed(range(SHOWN_DAYS)))
        (news,) = self._reader.news(today - timedelta(days=LOOKED_AT_DAYS), name)
        half = reporting_period(f"{today.year}H{1 if today.month <= 6 else 2}")
        since_s = int(now.timestamp()) - LOOKED_AT_DAYS * 86_400
        meters = _meters(
            self._reader.days(name, days[0], today),
            self._reader.newest(name, since_s),
            self._reader.totals(half.start, today, name),
        )
        return Site(self._state(news, zones), today, half.id, days, meters)


def _meters(
    days: Sequence[DayOfMeter], newest: Sequence[NewestOfMeter], totals: Sequence[MeterTotal]
) -> tuple[MeterState, ...]:
    """Everything that is known of each meter, by id."""
    by_meter: dict[str, dict[date, DayOfMeter]] = {}
    for one in days:
        by_meter.setdefault(one.meter, {})[one.day] = one
    last = {one.meter: one for one in newest}
    sums = {one.meter: one for one in totals}
    names = sorted({*by_meter, *last, *sums})
    return tuple(MeterState(name, last.get(name), by_meter.get(name, {}), sums.get(name)) for name in names)
