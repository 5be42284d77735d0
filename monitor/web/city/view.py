"""The city's facts as the page's texts and as numbers for programs."""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from config.site import Language
from config.words import say
from monitor.timestamps import iso_utc
from monitor.web.city.facts import MeterState, Site, SiteState
from monitor.web.wording import NO_VALUE, Words, number
from rules.quality import Quality

BAR_HEIGHT, BAR_WIDTH, BAR_STEP = 32, 7, 9
DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class Bar:
    """A day's column in a meter's small chart."""

    x: int
    y: float
    height: float
    told: str


def site_row(state: SiteState, language: Language, now_ms: int) -> dict[str, Any]:
    """A line of the list of sites."""
    words = Words(language, state.zone, now_ms)
    newest_ms = None if state.end_s is None else state.end_s * 1000
    return {
        "site": state.site,
        "meters": state.meters,
        "silent": state.silent,
        "word": say("city.silent" if state.silent else "city.delivers", language),
        "newest": NO_VALUE if newest_ms is None else words.moment(newest_ms, now_ms),
        "age": words("age_none") if newest_ms is None else words.age(now_ms - newest_ms),
    }


def meter_row(meter: MeterState, site: Site, language: Language, now_ms: int) -> dict[str, Any]:
    """A line of a site's meters."""
    words = Words(language, site.state.zone, now_ms)
    newest, half = meter.newest, meter.half_year
    quality = Quality.MISSING if newest is None else Quality(newest.quality)
    end_ms = None if newest is None else (newest.start_s + newest.duration_s) * 1000
    return {
        "meter": meter.meter,
        "quality": quality.name.lower(),
        "quality_word": words(f"quality_{quality.name.lower()}"),
        "newest": NO_VALUE if newest is None or quality is Quality.MISSING else number(newest.quantity, 2),
        "newest_at": NO_VALUE if end_ms is None else words.moment(end_ms, now_ms),
        "age": words("age_none") if end_ms is None else words.age(now_ms - end_ms),
        "today": _quantity(meter, site.days[-1]),
        "yesterday": _quantity(meter, site.days[-2]),
        "half_year": NO_VALUE if half is None else number(half.quantity, 1),
        "coverage": NO_VALUE if half is None else f"{_seen(half.covered_s, site, now_ms):.1%}",
        "unsure": 0 if half is None else half.unsure,
        "bars": bars(meter, site),
    }


def _quantity(meter: MeterState, day: date) -> str:
    found = meter.days.get(day)
    return NO_VALUE if found is None else number(found.quantity, 1)


def _seen(covered_s: float, site: Site, now_ms: int) -> float:
    """The share of the half-year so far that was measured."""
    first = date(site.today.year, 1 if site.today.month <= 6 else 7, 1)
    begun = datetime(first.year, first.month, 1, tzinfo=site.state.zone).timestamp()
    return min(1.0, covered_s / max(1.0, now_ms / 1000 - begun))


def bars(meter: MeterState, site: Site) -> list[Bar]:
    """A column for each day that is known, the highest one full."""
    highest = max((one.quantity for one in meter.days.values()), default=0.0)
    found = []
    for place, day in enumerate(site.days):
        known = meter.days.get(day)
        if known is None:
            continue
        height = max(1.0, BAR_HEIGHT * known.quantity / highest) if highest > 0 else 1.0
        told = f"{day.isoformat()}: {number(known.quantity, 1)}"
        found.append(Bar(place * BAR_STEP, round(BAR_HEIGHT - height, 1), round(height, 1), told))
    return found


def sites_structured(states: tuple[SiteState, ...], now_ms: int) -> dict[str, Any]:
    """The list of sites, for programs."""
    return {
        "at": iso_utc(now_ms),
        "sites": [
            {
                "site": one.site,
                "zone": str(one.zone),
                "meters": one.meters,
                "newest": None if one.end_s is None else iso_utc(one.end_s * 1000),
                "silent": one.silent,
            }
            for one in states
        ],
    }


def site_structured(site: Site, now_ms: int) -> dict[str, Any]:
    """One site, for programs."""
    facts = sites_structured((site.state,), now_ms)
    return {
        "at": facts["at"],
        **facts["sites"][0],
        "half_year": site.half_year,
        "meters": [
            {
                "meter": one.meter,
                "newest": None
                if one.newest is None
                else {
                    "start": iso_utc(one.newest.start_s * 1000),
                    "duration_s": one.newest.duration_s,
                    "quantity": one.newest.quantity,
                    "quality": Quality(one.newest.quality).name.lower(),
                },
                "days": {day.isoformat(): known.quantity for day, known in sorted(one.days.items())},
                "half_year": None
                if one.half_year is None
                else {"quantity": one.half_year.quantity, "unsure_intervals": one.half_year.unsure},
            }
            for one in site.meters
        ],
    }


def clock_of(now_ms: int, zone: ZoneInfo) -> str:
    """Date and time of day, as the page's head shows it."""
    return f"{datetime.fromtimestamp(now_ms / 1000, UTC).astimezone(zone):%Y-%m-%d %H:%M:%S}"
