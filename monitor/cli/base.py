"""``energy-monitor base lock``: agree on a base period; from then on it is only adjusted."""

import sys
from pathlib import Path

from config.loading import LoadedSite, load_site
from config.site import COMMODITY_UNITS, Commodity
from config.words import say
from monitor.cli.adjusting import unknown_commodity, wanted_commodity
from monitor.cli.handing_over import carried_out
from monitor.cli.words import tell
from monitor.clock import SystemClock
from monitor.reports.numbers import rows_text
from monitor.store.base import LockOutcome, LockRequest, lock_base
from monitor.store.database import StoreError
from monitor.store.deliveries import who
from rules.base_year import BaseScope
from rules.calendar import PeriodError, reporting_period

FINE, PROBLEM, WRONG_USE = 0, 1, 2
ANSWER_WITHIN_S = 300.0
"""A year of intervals is read and hashed meanwhile."""


class WrongScope(Exception):
    """What was asked is no base period; ``words`` say why."""

    def __init__(self, words: str) -> None:
        self.words = words
        super().__init__(words)


def scopes(loaded: LoadedSite, wanted: str | None, period_text: str | None, language: str) -> list[BaseScope]:
    """The base periods that are meant: of one commodity or of all, the whole base year or a part of it.

    Raises
    ------
    WrongScope : no such commodity or period, or the period lies outside the base year.
    """
    commodities = list(loaded.site.commodities)
    if wanted is not None:
        one = wanted_commodity(loaded, wanted, language)
        if one is None:
            raise WrongScope(unknown_commodity(loaded, wanted, language))
        commodities = [one]
    return [scope_of(loaded, one, period_text, language) for one in commodities]


def scope_of(loaded: LoadedSite, commodity: Commodity, period_text: str | None, language: str) -> BaseScope:
    """A base period of one commodity. Raises ``WrongScope``."""
    settings = loaded.site.commodities[commodity]
    try:
        period = reporting_period(period_text or str(settings.base_year))
    except PeriodError as error:
        raise WrongScope(say(error.code, language, **error.data)) from error
    if period.start.year != settings.base_year or period.end.year != settings.base_year:
        data = {"commodity": commodity.value, "period": period.id, "base_year": settings.base_year}
        raise WrongScope(say("base.outside", language, **data))
    days = (period.start, period.end)
    unit, zone = COMMODITY_UNITS[commodity], loaded.site.site.timezone
    return BaseScope(commodity.value, settings.base_year, *days, unit, settings.meters, zone)


def run_lock(
    path: Path, wanted: str | None, period_text: str | None, language: str, *, despite_gaps: bool
) -> int:
    """Lock base periods, each for itself: what cannot be locked is told, the others are."""
    loaded = load_site(path)
    try:
        asked = scopes(loaded, wanted, period_text, language)
    except WrongScope as error:
        tell(error.words)
        return WRONG_USE
    code = FINE
    for scope in asked:
        request = LockRequest(
            scope.commodity, scope.base_year, scope.start, scope.end, scope.unit, scope.meters, scope.zone,
            despite_gaps, who(), SystemClock().now_ms(),
        )  # fmt: skip
        try:
            outcome = _locked(loaded, request)
        except StoreError as error:
            tell(say(error.code, language, **error.data))
            code = PROBLEM
            continue
        key = "base.locked" if outcome.added else "base.locked_already"
        days = {"start": scope.start.isoformat(), "end": scope.end.isoformat()}
        data = {
            "commodity": scope.commodity,
            "rows": rows_text(outcome.rows, language),
            "sha256": outcome.sha256,
        }
        sys.stdout.write(say(key, language, **days, **data) + "\n")
    return code


def _locked(loaded: LoadedSite, request: LockRequest) -> LockOutcome:
    return carried_out(
        loaded, request, lambda engine, site: lock_base(engine, site, request), ANSWER_WITHIN_S
    )
