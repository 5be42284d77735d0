"""What the operator says of curtailment: plans, and who may have them carried out."""

from typing import Literal

from pydantic import Field

from config.modes import LONGEST_S, ModeName
from config.openadr import OpenAdrSettings
from drivers.modbus_profile import ModbusPoint, ModbusProfile
from drivers.mqtt_profile import MqttPoint, MqttProfile
from drivers.settings import Identifier, Seconds, Settings
from drivers.writable import Writable
from rules import curtailment, shedding
from rules.quantities import QUANTITIES
from rules.shedding import Sheds


class OperatorSettings(Settings):
    """Somebody who may arm a plan, by a key of their own."""

    id: Identifier
    role: Literal["dispatcher", "viewer"] = Field(
        description="A dispatcher may schedule, trigger and cancel live events; a viewer may not."
    )
    key: str = Field(
        pattern=r"^\$argon2id\$", description="What 'energy-monitor dr key' prints; never the key itself."
    )


class RampSettings(Settings):
    """A value that is approached in steps."""

    step: float = Field(gt=0, description="In the point's unit.")
    every_s: Seconds


class ActionSettings(Settings):
    """One writable point and what becomes of it. Values in the product's unit of the point."""

    id: Identifier
    point: str = Field(description="device.point, as chiller-1.chw_setpoint.")
    to: float | None = Field(default=None, description="The value itself, as 60 (%).")
    by: float | None = Field(default=None, description="Added to what stands there, as 2 (K).")
    floor: float | None = Field(default=None, description="Never written below this while shedding.")
    ceiling: float | None = Field(default=None, description="Never written above this while shedding.")
    sheds: Sheds | None = Field(
        default=None,
        description="Which way it sheds load: down, up or either; the profile's when left out. What stands "
        "beyond the value already is left as it is.",
    )
    release: float | Literal["previous", "hand-back"] = Field(
        default="previous",
        description="What is written afterwards: what stood before, a value, or the profile's own release.",
    )
    expected_kw: float = Field(default=0.0, ge=0, description="What it is expected to save.")
    ramp: RampSettings | None = None
    min_off_s: float = Field(
        default=0.0, ge=0, le=LONGEST_S, description="Once shed, it stays so at least so long."
    )
    min_on_s: float = Field(
        default=0.0, ge=0, le=LONGEST_S, description="Once handed back, it stays so at least so long."
    )
    priority: int = Field(default=1, ge=1, le=99, description="1 is taken first.")
    rotates: bool = Field(
        default=False,
        description="Among those of its priority that rotate, the one shed longest ago is first.",
    )
    writes_per_day: int | None = Field(
        default=None, ge=3, description="Fewer than the profile allows; the profile's when left out."
    )
    after_s: float = Field(default=0.0, ge=0, le=LONGEST_S, description="Seconds after the event's start.")


class GuardSettings(Settings):
    """A comfort limit: past it, actions are handed back."""

    point: str = Field(description="device.point, as zone-3.temperature.")
    above: float | None = Field(default=None, description="Past it when the point shows more.")
    below: float | None = Field(default=None, description="Past it when the point shows less.")
    back_at: float | None = Field(
        default=None,
        description="Shed again once the point is on the good side of this; not in this event when left out.",
    )
    stale_after_s: float = Field(default=600.0, gt=0, le=LONGEST_S)
    unknown: Literal["release", "hold"] = Field(
        default="release", description="What is done when the point says nothing."
    )
    actions: tuple[Identifier, ...] = Field(default=(), description="Those it hands back; all when left out.")


class PlanSettings(Settings):
    """What is done in an event, and what is done whatever happens."""

    id: Identifier
    mode: ModeName = Field(
        default="dry-run",
        description="live writes; dry-run decides and records without writing; monitor-only watches.",
    )
    dead_man_s: float = Field(
        gt=0,
        le=LONGEST_S,
        description="Everything is handed back so long after an event's start, whatever else holds.",
    )
    on_restart: Literal["resume", "release"] = Field(
        default="resume", description="What a restart in the middle of an event does."
    )
    on_lost_signal: Literal["release", "hold"] = "release"
    on_failure: Literal["continue", "release"] = Field(
        default="continue",
        description="An action that fails is handed back; 'release' hands all back and ends the event.",
    )
    stage_s: float = Field(
        default=0.0, ge=0, le=3600, description="At the end, between one action's release and the next one's."
    )
    notify_s: float = Field(default=1800.0, ge=0, le=LONGEST_S, description="Notified so long before.")
    least_notice_s: float = Field(
        default=0.0, ge=0, le=LONGEST_S, description="An event that begins sooner is refused."
    )
    baseline: str = Field(
        default="", description="Preset that events are held against while they last; none when left out."
    )
    programme: str = Field(
        default="",
        description="Whose notice, hours, events a day and least kW hold: a family or one text.",
    )
    bid: float | None = Field(default=None, gt=0, description="Price that is bid for each kWh, as agreed.")
    actions: tuple[ActionSettings, ...] = Field(min_length=1)
    guards: tuple[GuardSettings, ...] = ()


class CurtailmentSettings(Settings):
    """Curtailment plans and who may arm them."""

    operators: tuple[OperatorSettings, ...] = ()
    plans: tuple[PlanSettings, ...] = ()
    plan_files: tuple[str, ...] = Field(
        default=(), description="YAML files of further plans, one a file; relative to this file's folder."
    )
    openadr: OpenAdrSettings | None = None


Profiles = dict[str, ModbusProfile | MqttProfile]


def writable_of(profile: ModbusProfile | MqttProfile | None, point: str) -> Writable | None:
    """What a profile says of writing a point; None where it may not be written."""
    found = None if profile is None else profile.every_point().get(point)
    return found.writable if isinstance(found, ModbusPoint | MqttPoint) else None


def sheds_of(point: str, writable: Writable, said: Sheds | None, by: float | None) -> Sheds | None:
    """Which way an action on a point sheds; None where nobody says and nothing tells."""
    is_switch = writable.between == (0.0, 1.0) and not QUANTITIES[point].unit
    return shedding.direction(point, said or writable.sheds, by, is_switch=is_switch)


def plan_of(settings: PlanSettings, by_device: Profiles) -> curtailment.Plan:
    """A plan that was checked, as the rules see it.

    Parameters
    ----------
    by_device : each device's profile, as this device has it.
    """
    return curtailment.Plan(
        id=settings.id,
        mode=curtailment.Mode(settings.mode),
        dead_man_s=settings.dead_man_s,
        actions=tuple(_action(one, by_device) for one in settings.actions),
        guards=tuple(_guard(one) for one in settings.guards),
        resumes=settings.on_restart == "resume",
        holds_without_signal=settings.on_lost_signal == "hold",
        all_or_nothing=settings.on_failure == "release",
        stage_s=settings.stage_s,
        notify_s=settings.notify_s,
    )


def _action(settings: ActionSettings, by_device: Profiles) -> shedding.Action:
    device, _, point = settings.point.partition(".")
    writable = writable_of(by_device[device], point)
    if writable is None:
        raise ValueError(f"{settings.point} may not be written")
    sheds = sheds_of(point, writable, settings.sheds, settings.by)
    if sheds is None:
        raise ValueError(f"nobody says which way {settings.point} sheds")
    low, high = writable.between
    release: float | None = settings.release if isinstance(settings.release, float) else None
    if settings.release == "hand-back":
        release = writable.release
    return shedding.Action(
        id=settings.id,
        device=device,
        point=point,
        to=settings.to,
        by=settings.by,
        low=low if settings.floor is None else max(low, settings.floor),
        high=high if settings.ceiling is None else min(high, settings.ceiling),
        release=release,
        expected_kw=settings.expected_kw,
        ramp=None if settings.ramp is None else shedding.Ramp(settings.ramp.step, settings.ramp.every_s),
        min_off_s=settings.min_off_s,
        min_on_s=settings.min_on_s,
        priority=settings.priority,
        rotates=settings.rotates,
        writes_per_day=min(writable.writes_per_day, settings.writes_per_day or writable.writes_per_day),
        after_s=settings.after_s,
        sheds=sheds,
    )


def _guard(settings: GuardSettings) -> curtailment.Guard:
    device, _, point = settings.point.partition(".")
    return curtailment.Guard(
        device,
        point,
        above=settings.above,
        below=settings.below,
        back_at=settings.back_at,
        stale_after_s=settings.stale_after_s,
        unknown_releases=settings.unknown == "release",
        actions=settings.actions,
    )
