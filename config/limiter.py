"""What the operator says of the demand limiter: whose actions it may take, and under which limit."""

import hashlib
import json
from dataclasses import asdict
from typing import Any

from pydantic import Field

from config.modes import LONGEST_S, ModeName
from drivers.settings import Identifier, Settings
from rules.curtailment import Plan
from rules.limiter import LimiterRules


class ComfortSettings(Settings):
    """How rooms answer, for the simulation: all zones as one mass."""

    heat_wh_per_m2_k: float = Field(
        default=45.8, gt=0, description="Heat capacity of a square metre of floor; ISO 13790, medium: 45.8."
    )
    cop: float = Field(default=4.5, gt=0, description="Cooling for each unit of electricity of the plant.")
    recovery_s: float = Field(
        default=14_400.0, gt=0, le=LONGEST_S, description="In which the plant brings rooms back, e-fold."
    )
    warmer_k: float = Field(default=1.0, gt=0, description="Warmer by more is discomfort.")


class LimiterSettings(Settings):
    """The demand limiter: actions of a plan, one at a time, so that a demand window stays under a limit."""

    plan: Identifier = Field(description="Plan whose actions it takes.")
    mode: ModeName = Field(
        default="dry-run",
        description="live writes, once simulated and armed; dry-run only decides; monitor-only watches.",
    )
    limit_kw: float | None = Field(
        default=None, gt=0, description="The contract of the window's period when left out."
    )
    shed_at_percent: float = Field(
        default=98, ge=50, le=120, description="Of the limit: a projection beyond it sheds an action."
    )
    back_at_percent: float = Field(
        default=93,
        ge=30,
        le=120,
        description="Of the limit: an action goes back once the projection stays below it with its power on.",
    )
    settle_s: float = Field(default=60.0, ge=0, le=3600, description="So young a window says nothing.")
    freeze_s: float = Field(default=120.0, gt=0, le=3600, description="After a change nothing changes.")
    blind_s: float = Field(
        default=900.0,
        gt=0,
        le=LONGEST_S,
        description="Without a window that is measured whole for so long, all is handed back.",
    )
    comfort: ComfortSettings = ComfortSettings()


def limiter_rules(settings: LimiterSettings, plan: Plan) -> LimiterRules:
    """Settings that were checked, as the rules see them."""
    return LimiterRules(
        dead_man_s=plan.dead_man_s,
        shed_share=settings.shed_at_percent / 100,
        back_share=settings.back_at_percent / 100,
        settle_s=settings.settle_s,
        freeze_s=settings.freeze_s,
        blind_s=settings.blind_s,
    )


def limiter_digest(settings: LimiterSettings, plan: Plan, contract: Any) -> str:
    """SHA-256 of what a simulation, and an arming, hold for: another action or limit is another digest.

    How much of it is carried out is no part of it, nor is what only events look at.

    Parameters
    ----------
    contract : the site's contract and tariff as plain data: the limit where the settings say none.
    """
    said = {
        "limiter": settings.model_dump(mode="json", exclude={"mode"}),
        "contract": None if settings.limit_kw is not None else contract,
        "plan": plan.id,
        "dead_man_s": plan.dead_man_s,
        "actions": [asdict(action) for action in plan.actions],
        "guards": [asdict(guard) for guard in plan.guards],
    }
    text = json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()
