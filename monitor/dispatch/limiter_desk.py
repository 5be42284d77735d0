"""What the site file says of the limiter, ready to be carried out; and the desk at which it is armed."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from config.limiter import LimiterSettings, limiter_digest, limiter_rules
from config.loading import LoadedSite
from monitor.clock import Clock
from monitor.dispatch.desk import STRENGTH, plans_of
from monitor.dispatch.keys import dispatcher_of
from monitor.store.database import StoreError
from monitor.store.deliveries import add_audit
from monitor.store.event_requests import LIVES_FOR_MS
from monitor.store.ledgers import WriterEngine
from monitor.store.limiter_requests import ArmRequest, LimiterOutcome, SimulatedRequest, keep_simulated
from monitor.store.limiting import LimiterRecord, arming_of, disarm, keep_record, records
from monitor.timestamps import iso_utc
from rules.curtailment import Mode, Plan
from rules.limiter import LimiterRules


@dataclass(frozen=True, slots=True)
class LimiterOrders:
    """What the limiter is to do.

    Attributes
    ----------
    plan : as its runs carry it out: a restart, a failure and an end hand everything back at once.
    wanted : the mode of the site file; never stronger than the plan's.
    limit_kw : None = the contract of the window's period. [kW]
    digest : of what must have been simulated and armed.
    """

    plan: Plan
    wanted: Mode
    rules: LimiterRules
    limit_kw: float | None
    digest: str


def digest_of(loaded: LoadedSite, settings: LimiterSettings, plan: Plan) -> str:
    """What a simulation and an arming hold for."""
    site = loaded.site
    terms = {
        "contract": None if site.contract is None else site.contract.model_dump(mode="json"),
        "tariff": None if site.tariff is None else site.tariff.model_dump(mode="json"),
    }
    return limiter_digest(settings, plan, terms)


def orders_of(loaded: LoadedSite) -> LimiterOrders | None:
    """Of a site that was loaded; None where it has no limiter."""
    settings = loaded.site.limiter
    if settings is None:
        return None
    plan = plans_of(loaded)[settings.plan]
    own = replace(
        plan,
        actions=tuple(replace(action, after_s=0.0) for action in plan.actions),
        resumes=False,
        all_or_nothing=False,
        stage_s=0.0,
        notify_s=0.0,
    )
    digest = digest_of(loaded, settings, plan)
    wanted = min(Mode(settings.mode), plan.mode, key=STRENGTH.index)
    return LimiterOrders(own, wanted, limiter_rules(settings, plan), settings.limit_kw, digest)


class LimiterDesk:
    """Takes requests about the limiter, in the writer's thread.

    Parameters
    ----------
    changed : told, in whatever thread, that something stands otherwise in the store.
    """

    def __init__(self, loaded: LoadedSite, clock: Clock, changed: Callable[[], None] = lambda: None) -> None:
        self._operators = loaded.site.curtailment.operators
        self._orders = orders_of(loaded)
        self._clock = clock
        self._changed = changed

    def keep(self, engine: WriterEngine, site: str, request: SimulatedRequest) -> LimiterOutcome:
        """Keep a year's figures."""
        outcome = keep_simulated(engine, site, request)
        self._changed()
        return outcome

    def carry_out(self, engine: WriterEngine, site: str, request: ArmRequest) -> LimiterOutcome:
        """Arm or disarm. Raises ``StoreError`` for what is refused; then nothing has changed."""
        now_ms = self._clock.now_ms()
        told: dict[str, Any] = {"operator": request.operator, "note": request.note}
        try:
            outcome = self._carried_out(engine, site, request, now_ms)
        except StoreError as error:
            self._audit(engine, site, request, now_ms, {**told, "refused": error.code})
            raise
        self._audit(engine, site, request, now_ms, {**told, "state": outcome.state})
        self._changed()
        return outcome

    def _carried_out(
        self, engine: WriterEngine, site: str, request: ArmRequest, now_ms: int
    ) -> LimiterOutcome:
        who = f"{request.operator} ({request.who})" if request.operator else request.who
        if request.what == "disarm":  # however old, and whoever asks: handing back is refused to nobody
            return LimiterOutcome("disarmed" if disarm(engine, site, who, now_ms) else "unchanged")
        if now_ms > request.asked_ms + LIVES_FOR_MS:
            raise StoreError("dispatch.expired", asked=iso_utc(request.asked_ms))
        orders = self._orders
        if orders is None:
            raise StoreError("limiter.none")
        if orders.wanted is not Mode.LIVE:
            raise StoreError("limiter.not_live", mode=orders.wanted.value)
        if code := dispatcher_of(self._operators, request.operator, request.key):
            raise StoreError(code, operator=request.operator)
        missing = arming_of(records(engine, site), orders.digest).missing
        if missing in ("limiter.not_simulated", "limiter.simulated_otherwise"):
            raise StoreError(missing)
        if missing is None:
            return LimiterOutcome("unchanged")
        keep_record(engine, site, LimiterRecord("armed", orders.digest, who, now_ms))
        return LimiterOutcome("armed")

    @staticmethod
    def _audit(
        engine: WriterEngine, site: str, request: ArmRequest, now_ms: int, told: dict[str, Any]
    ) -> None:
        said = {key: value for key, value in told.items() if value}
        add_audit(engine, site, now_ms, request.who, f"dr.{request.what}", said)
