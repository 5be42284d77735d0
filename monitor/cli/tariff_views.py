"""``energy-monitor tariff list|show``: which tariffs there are, and what one of them says."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from config.off_peak_days import load_calendar
from config.tariff_files import load_tariff, tariff_names
from config.words import say
from rules.tariff.periods import SEASONS, Clock, DayKind, Period
from rules.tariff.terms import BasicRates, Dated, Tariff

KINDS = {"weekday": DayKind.WEEKDAY, "saturday": DayKind.SATURDAY}
LISTS = ("clocks", "energy", "basic", "rules")


def run_list(language: str, *, as_json: bool) -> int:
    """List the product's own tariffs with the time that each of their parts covers."""
    tariffs = [load_tariff(name, Path()) for name in tariff_names()]
    if as_json:
        _print([_summary(one) for one in tariffs])
        return 0
    for tariff in tariffs:
        _write(f"{tariff.id}  {tariff.names.get(language, tariff.id)}")
        for key in LISTS:
            spans = say("config.comma", language).join(_span(one, language) for one in getattr(tariff, key))
            what = say(f"bill.what_{key}", language)
            _write(
                "  "
                + say("bill.list_holds", language, what=what, spans=spans or say("bill.list_none", language))
            )
    _write(say("bill.list_hint", language))
    return 0


def run_show(name: str, language: str, *, as_json: bool) -> int:
    """Print what a tariff says. Raises ConfigurationError where there is none, or it is wrong."""
    tariff = load_tariff(name, Path())
    if as_json:
        _print(_summary(tariff) | _whole(tariff))
        return 0
    _write(f"{tariff.id}  {tariff.names.get(language, tariff.id)}  {tariff.currency}")
    if tariff.calendar:
        years = say("config.comma", language).join(
            map(str, load_calendar(tariff.calendar, Path(name).parent).lists)
        )
        _write(say("bill.show_calendar", language, calendar=tariff.calendar, years=years))
    for key in LISTS:
        for entry in getattr(tariff, key):
            _write("")
            _write(f"{say(f'bill.what_{key}', language)}  {_span(entry, language)}")
            for line in _lines(key, entry.value, language):
                _write(f"  {line}")
            _write("  " + say("bill.show_source", language, source=entry.source))
    return 0


def _span(entry: Dated[Any], language: str) -> str:
    grade = say(f"bill.grade_{entry.grade}", language)
    if entry.last is None:
        return say("bill.list_open", language, first=entry.first, grade=grade)
    return say("bill.list_span", language, first=entry.first, last=entry.last, grade=grade)


def _lines(key: str, value: Any, language: str) -> Iterator[str]:
    if key == "clocks":
        yield from _clock_lines(value, language)
    elif key == "rules":
        yield say(
            "bill.show_rules",
            language,
            first_percent=f"{value.first_share * 100:f}".rstrip("0").rstrip("."),
            first_times=value.first_times,
            beyond_times=value.beyond_times,
            step=f"{value.step_share * 100:f}".rstrip("0").rstrip("."),
            neutral=value.neutral_percent,
            best=value.best_percent,
        )
    else:
        for season in SEASONS:
            yield f"{say(f'bill.season_{season}', language)}: {_prices(key, value, season, language)}"


def _prices(key: str, value: Any, season: str, language: str) -> str:
    if key == "energy":
        found = value.by_season.get(season, {})
        texts = [f"{say(f'bill.period_{period.key}', language)} {price}" for period, price in found.items()]
        return say("config.comma", language).join(texts) or say("bill.list_none", language)
    rates = value[season]
    named = {"r1": rates.regular, "r2": rates.half_peak, "r34": rates.others}
    return say("bill.show_rate", language, **{k: "-" if v is None else v for k, v in named.items()})


def _clock_lines(clock: Clock, language: str) -> Iterator[str]:
    days = [f"{month:02d}-{day:02d}" for month, day in clock.summer]
    yield say("bill.show_summer", language, first=days[0], last=days[1])
    for season in SEASONS:
        for key, kind in KINDS.items():
            texts = [
                f"{say(f'bill.period_{period.key}', language)} {span}"
                for period, span in _spans(clock, season, kind)
                if period is not Period.OFF_PEAK
            ]
            head = f"{say(f'bill.season_{season}', language)}, {say(f'bill.day_{key}', language)}"
            yield f"{head}: {say('config.comma', language).join(texts)}"
    yield say("bill.show_rest", language)


def _spans(clock: Clock, season: str, kind: DayKind) -> Iterator[tuple[Period, str]]:
    """Runs of minutes of one period, as 07:30-10:00."""
    row = clock.table[SEASONS.index(season), kind].tolist()
    begin = 0
    for minute in range(1, len(row) + 1):
        if minute == len(row) or row[minute] != row[begin]:
            yield Period(row[begin]), f"{_clock(begin)}-{_clock(minute)}"
            begin = minute


def _clock(minute: int) -> str:
    return f"{minute // 60:02d}:{minute % 60:02d}"


def _summary(tariff: Tariff) -> dict[str, Any]:
    return {
        "tariff": tariff.id,
        "names": dict(tariff.names),
        "currency": tariff.currency,
        "calendar": tariff.calendar,
        "valid": {key: [_dates(one) for one in getattr(tariff, key)] for key in LISTS},
    }


def _dates(entry: Dated[Any]) -> dict[str, Any]:
    last = None if entry.last is None else entry.last.isoformat()
    return {"from": entry.first.isoformat(), "to": last, "grade": entry.grade, "source": entry.source}


def _whole(tariff: Tariff) -> dict[str, Any]:
    energy = [
        _dates(one)
        | {
            season: {p.key: str(v) for p, v in prices.items()}
            for season, prices in one.value.by_season.items()
        }
        for one in tariff.energy
    ]
    basic = [
        _dates(one) | {season: _rates(rates) for season, rates in one.value.items()} for one in tariff.basic
    ]
    hours = [_dates(one) | {season: _hours(one.value, season) for season in SEASONS} for one in tariff.clocks]
    return {"energy": energy, "basic": basic, "hours": hours}


def _rates(rates: BasicRates) -> dict[str, str | None]:
    named = {
        "regular": rates.regular,
        "half_peak": rates.half_peak,
        "saturday_and_off_peak": rates.others,
    }
    return {key: None if rate is None else str(rate) for key, rate in named.items()}


def _hours(clock: Clock, season: str) -> dict[str, list[list[str]]]:
    return {
        key: [[period.key, span] for period, span in _spans(clock, season, kind)]
        for key, kind in KINDS.items()
    }


def _print(data: Any) -> None:
    _write(json.dumps(data, ensure_ascii=False, indent=2))


def _write(text: str) -> None:
    sys.stdout.write(text + "\n")
