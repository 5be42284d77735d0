"""A season of demand response on one meter-year: 60 events by 20 baseline methods, each settled.

The presets that ship, and nine variants of them, on 35,040 quarter hours; laying them out by days is measured
apart. Medians of five, by the clock and of processor. Then a year's backtest of each preset.
"""

import resource
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402

from config.baseline_presets import load_preset, preset_names  # noqa: E402
from config.programme_texts import load_programme  # noqa: E402
from rules.baseline.backtest import backtest, trial_days  # noqa: E402
from rules.baseline.baseline import Occasion, Surroundings, baseline, window_kw  # noqa: E402
from rules.baseline.days import day_book  # noqa: E402
from rules.baseline.load import daily_load  # noqa: E402
from rules.settlement.money import measured  # noqa: E402
from rules.settlement.settle import Delivered, settle_event  # noqa: E402
from rules.settlement.terms import Terms  # noqa: E402

ROUNDS = 5
EVENTS = 60
METHODS = 20
QUARTER_S = 900
TAIPEI = ZoneInfo("Asia/Taipei")
FIRST = date(2025, 1, 1)


def year() -> tuple[np.ndarray, np.ndarray]:
    """Starts, and demand [kW] of a building with days, nights, weekends and chance."""
    rng = np.random.default_rng(7)
    hour = np.arange(365 * 96) / 4
    weekday = (np.arange(365 * 96) // 96 + 2) % 7 < 5
    kw = (
        400
        + 500 * weekday * np.clip(np.sin((hour % 24 - 6) / 12 * np.pi), 0, 1)
        + rng.normal(0, 30, len(hour))
    )
    begin = np.datetime64("2024-12-31T16:00:00", "s")
    return begin + np.arange(len(hour)) * np.timedelta64(QUARTER_S, "s"), kw


def measure(what: str, work: Callable[[], int]) -> None:
    """Print what some work takes."""
    wall, processor, count = [], [], 0
    for _ in range(ROUNDS):
        began, used = time.perf_counter(), time.process_time()
        count = work()
        wall.append(time.perf_counter() - began)
        processor.append(time.process_time() - used)
    print(f"{what:46} {statistics.median(wall):8.3f} s {statistics.median(processor):8.3f} s cpu {count:8,}")


def main() -> None:
    """Measure a season."""
    start, kw = year()
    measure("a meter-year laid out by days", lambda: daily_load(start, kw, QUARTER_S, TAIPEI).days)
    load = daily_load(start, kw, QUARTER_S, TAIPEI)
    weekdays = [day for day in (FIRST + timedelta(days=n) for n in range(120, 300)) if day.weekday() < 5]
    days = weekdays[:: len(weekdays) // EVENTS][:EVENTS]
    around = Surroundings(day_book(load, {2025: ()}, set(days)), TAIPEI, 1500.0)
    methods = [load_preset(name, Path()).method for name in preset_names()]
    of_days = [method for method in methods if method.days is not None]
    variants = [replace(one, days=replace(one.days, lookback_days=90)) for one in of_days if one.days]
    methods = [*methods, *variants][:METHODS]
    programme, terms = load_programme("taipower-demand-bidding-2016", Path()), Terms(bid=Decimal("9.50"))

    def when(day: date) -> Occasion:
        at_s = int(datetime(day.year, day.month, day.day, 13, tzinfo=TAIPEI).astimezone(UTC).timestamp())
        return Occasion(at_s, at_s + 7200, at_s - 3600)

    def season() -> int:
        settled = 0
        for day in days:
            occasion = when(day)
            for method in methods:
                found = baseline(load, method, occasion, around)
                drawn = window_kw(load, occasion, method.statistic, TAIPEI)
                if found.kw is not None and drawn is not None:
                    result = settle_event(
                        programme, terms, Delivered(measured(found.kw), measured(drawn), Decimal(2))
                    )
                    settled += result.amount is not None
        return settled

    print(f"{len(days)} events x {len(methods)} methods")
    measure("baseline and settlement of the season", season)

    def tried() -> int:
        usable = trial_days(load, around)
        shipped = methods[: len(preset_names())]
        return sum(len(backtest(load, method, usable, when, lambda _: around).trials) for method in shipped)

    measure("backtest of every preset over the year", tried)
    print(f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")


if __name__ == "__main__":
    main()
