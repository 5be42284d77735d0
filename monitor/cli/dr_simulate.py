"""``energy-monitor dr simulate``: a year of the demand limiter, before it may be armed."""

import json
import subprocess
import sys
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from config.limiter import LimiterSettings, limiter_rules
from config.loading import LoadedSite, load_site
from config.problems import did_you_mean
from config.words import say
from monitor.cli.dr_simulate_views import shown
from monitor.cli.handing_over import carried_out
from monitor.cli.words import explain, tell
from monitor.clock import SystemClock
from monitor.demand.year import YearLoad, model_year, own_year
from monitor.dispatch.desk import plans_of
from monitor.dispatch.limiter_desk import digest_of, orders_of
from monitor.store.database import StoreError
from monitor.store.deliveries import who
from monitor.store.limiter_requests import SimulatedRequest, keep_simulated
from monitor.store.reader import StoreReader
from rules.curtailment import Plan
from rules.limiter_year import Outcome, Rooms, peaks, simulate, whole_peak
from rules.local_time import to_local

FINE, PROBLEM, WRONG_USE = 0, 1, 2
WH_A_KWH = 1000.0
ANSWER_WITHIN_S = 30.0


@dataclass(frozen=True, slots=True)
class SimulateWish:
    """What was typed.

    Attributes
    ----------
    source : own, model or empty: the site's own past where there is enough of it.
    """

    plan: str = ""
    limit_kw: float | None = None
    year: int | None = None
    source: str = ""


class CannotSimulateError(Exception):
    """There is nothing to go through; ``words`` say why and what helps."""

    def __init__(self, words: str, code: int = WRONG_USE) -> None:
        self.words = words
        self.code = code
        super().__init__(words)


def run_simulate(path: Path, wish: SimulateWish, language: str, *, as_json: bool) -> int:
    """Go through a year and print what it would have been."""
    loaded = load_site(path)
    try:
        facts = simulated(loaded, wish, language)
    except CannotSimulateError as error:
        tell(error.words)
        return error.code
    kept = _kept(loaded, facts, language)
    if as_json:
        sys.stdout.write(json.dumps(facts | {"kept": kept.state}, ensure_ascii=False, indent=2) + "\n")
    else:
        sys.stdout.write(
            shown(facts, language) + (f"\n{kept.words}\n" if kept.is_fine and kept.words else "")
        )
    if not kept.is_fine:
        tell(kept.words)
    return FINE if kept.is_fine else PROBLEM


@dataclass(frozen=True, slots=True)
class _Kept:
    """What became of the figures: kept for the limiter of the site file, for another one, or not."""

    state: str | None = None
    words: str = ""
    is_fine: bool = True


def _kept(loaded: LoadedSite, facts: dict[str, Any], language: str) -> _Kept:
    """Keep the figures where the site has a limiter that they may be for."""
    orders = orders_of(loaded)
    if orders is None:
        return _Kept()
    request = SimulatedRequest(facts["digest"], who(), SystemClock().now_ms(), facts)
    try:
        carried_out(
            loaded, request, lambda engine, site: keep_simulated(engine, site, request), ANSWER_WITHIN_S
        )
    except StoreError as error:
        words = say("limiter.not_kept", language, reason=explain(error, language)[0])
        return _Kept(None, words, is_fine=False)
    if facts["digest"] == orders.digest:
        return _Kept("this", say("limiter.kept", language))
    return _Kept("other", say("limiter.kept_other", language))


def simulated(loaded: LoadedSite, wish: SimulateWish, language: str) -> dict[str, Any]:
    """The year's figures as plain data. Raises ``CannotSimulateError``."""
    settings, plan = _asked(loaded, wish, language)
    zone = ZoneInfo(loaded.site.site.timezone)
    today = datetime.fromtimestamp(SystemClock().now_ms() / 1000, UTC).astimezone(zone).date()
    year = today.year - 1 if wish.year is None else wish.year
    found = _load_of(loaded, year, wish.source, language)
    load = found.load
    if settings.limit_kw is not None:
        load = replace(load, limit_kw=np.full(len(load.kw), settings.limit_kw))
    if not np.isfinite(load.limit_kw).any():
        raise CannotSimulateError(say("limiter.no_limit", language))
    outcome = simulate(plan, limiter_rules(settings, plan), load, _rooms(loaded, settings))
    starts = load.start_s + np.arange(len(load.kw), dtype=np.int64) * load.window_s
    month = to_local(starts, zone).astype("datetime64[s]").astype("datetime64[M]").astype(np.int64) % 12 + 1
    return {
        "plan": plan.id,
        "digest": digest_of(loaded, settings, plan),
        "year": year,
        "source": found.source,
        "known": found.known,
        "window_s": load.window_s,
        "limit_kw": [float(np.nanmin(load.limit_kw)), float(np.nanmax(load.limit_kw))],
        "shed_at_percent": settings.shed_at_percent,
        **_figures(outcome, month),
        "over_limit": _over(outcome, load.limit_kw),
        "comfort_k": settings.comfort.warmer_k if _rooms(loaded, settings) else None,
        "actions": [
            {
                "action": action.id,
                "expected_kw": action.expected_kw,
                "starts": tally.starts,
                "most_starts_a_day": tally.most_starts,
                "shed_h": round(tally.shed_s / 3600, 2),
                "writes": tally.writes,
                "most_writes_a_day": tally.most_writes,
                "writes_per_day": action.writes_per_day,
            }
            for action, tally in ((one, outcome.actions[one.id]) for one in plan.actions)
        ],
    }


def _figures(outcome: Outcome, month: Any) -> dict[str, Any]:
    whole = whole_peak(outcome)
    return {
        "peak_before_kw": _kw(whole.before_kw),
        "peak_after_kw": _kw(whole.after_kw),
        "saved_kw": _kw(whole.saved_kw),
        "months": [
            {"month": one, "before_kw": _kw(peak.before_kw), "after_kw": _kw(peak.after_kw)}
            for one, peak in sorted(peaks(outcome, month).items())
        ],
        "discomfort_min": round(outcome.discomfort_s / 60, 1),
        "warmest_k": round(outcome.warmest_k, 2),
        "dead_man_struck": outcome.dead_man_struck,
        "shed_kwh": round(outcome.shed_kwh, 1),
        "rebound_kwh": round(outcome.rebound_kwh, 1),
    }


def _kw(value: float) -> float | None:
    return round(value, 1) if np.isfinite(value) else None


def _over(outcome: Outcome, limit_kw: Any) -> dict[str, int]:
    """Windows above the limit, before and after; what is not known is none of them."""
    sides = {"before": outcome.before_kw, "after": outcome.after_kw}
    return {name: int((kw > limit_kw).sum()) for name, kw in sides.items()}


def _asked(loaded: LoadedSite, wish: SimulateWish, language: str) -> tuple[LimiterSettings, Plan]:
    plans, own = plans_of(loaded), loaded.site.limiter
    name = wish.plan or (own.plan if own is not None else next(iter(plans), ""))
    if name not in plans:
        if not plans:
            raise CannotSimulateError(say("limiter.no_plan", language))
        hint = did_you_mean(name, plans)
        words = say("limiter.unknown_plan", language, plan=name)
        raise CannotSimulateError(words if hint is None else words.rstrip(".。") + hint.text(language))
    settings = own if own is not None else LimiterSettings(plan=name)
    if wish.limit_kw is not None:
        settings = settings.model_copy(update={"limit_kw": wish.limit_kw})
    return settings.model_copy(update={"plan": name}), plans[name]


def _rooms(loaded: LoadedSite, settings: LimiterSettings) -> Rooms | None:
    area, comfort = loaded.site.building.floor_area_m2, settings.comfort
    if area is None:
        return None
    capacity = area * comfort.heat_wh_per_m2_k / WH_A_KWH
    return Rooms(capacity, comfort.cop, comfort.recovery_s, comfort.warmer_k)


def _load_of(loaded: LoadedSite, year: int, source: str, language: str) -> YearLoad:
    if source != "model":
        found = _own(loaded, year)
        if found is not None:
            return found
    if source == "own":
        raise CannotSimulateError(say("limiter.too_little", language, year=year), PROBLEM)
    with TemporaryDirectory() as folder:
        file = Path(folder) / "year.npz"
        command = [sys.executable, "-m", "simulators.year", str(loaded.path), str(year), str(file)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  our own
        if done.returncode:
            reason = (done.stderr.strip().splitlines() or ["?"])[-1]
            raise CannotSimulateError(say("limiter.no_model", language, year=year, reason=reason), PROBLEM)
        return model_year(loaded, file)


def _own(loaded: LoadedSite, year: int) -> YearLoad | None:
    try:
        reader = StoreReader.open(loaded.store_path, loaded.site.site.id)
    except StoreError:
        return None  # nothing was stored yet: no past of its own
    try:
        return own_year(loaded, reader, year)
    finally:
        reader.close()
