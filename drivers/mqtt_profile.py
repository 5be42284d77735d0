"""Profiles of devices that publish: which topics they use, and where each quantity lies in a payload."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, model_validator

from drivers.payload_times import TimeFormat
from drivers.profile import PointBase, ProfileBase, check_points
from drivers.settings import PointOverride, Settings
from drivers.writable import Writable
from rules.scan import Layout


class WritableTopic(Writable):
    """What may be written to a point, and the message that does it."""

    topic: str = Field(min_length=1, description="Where the device takes commands; {topic} is its own.")
    payload: str = Field(
        default="{value}", description="The command; {value} is the raw number, or its word."
    )
    words: dict[str, float] | None = Field(
        default=None, description="Words of commands and the raw numbers they stand for; the point's else."
    )
    qos: Literal[0, 1] = 1
    retain: bool = False
    settle_s: float = Field(
        default=10.0,
        ge=0,
        le=300,
        description="The device shows what was written at the latest after so long.",
    )

    @model_validator(mode="after")
    def _value_is_said(self) -> "WritableTopic":
        if "{value}" not in self.payload:
            raise ValueError("the payload says {value} nowhere")
        return self


class MqttPoint(PointBase):
    """A value in a payload."""

    words: dict[str, float] | None = Field(
        default=None,
        description="Words, in lower case, and the raw numbers they stand for, as {on: 1, off: 0}; "
        "true and false are words too.",
    )
    writable: WritableTopic | None = None

    path: str = Field(
        default="",
        description="As v.kw or ENERGY.Power.0; a last step * is the sum of a list. "
        "Empty when the payload is the number itself; with Sparkplug B the metric's name.",
    )


class Delta(Settings):
    """A topic of messages that carry only what changed since the last ones."""

    topic: str
    under: str = Field(
        default="",
        description="Path of the object that looks like the part's payload; a message without it is "
        "about something else.",
    )
    time: str | None = Field(default=None, description="Path of the message's own time, from its top.")
    time_format: TimeFormat = "auto"


class Availability(Settings):
    """A topic that says whether the device is there: its last will, as a rule."""

    topic: str
    path: str = Field(default="", description="Where the word lies when the payload is JSON.")
    online: tuple[str, ...] = Field(default=("online",), min_length=1)
    offline: tuple[str, ...] = Field(default=("offline",), min_length=1)


class MqttPart(Settings):
    """One topic and what its payload carries."""

    topic: str = Field(default="{topic}", description="{topic} is the device's.")
    payload: Literal["json", "plain", "sparkplug_b"] = "json"
    time: str | None = Field(default=None, description="Path of the payload's own timestamp.")
    time_format: TimeFormat = Field(
        default="auto",
        description="auto: ISO 8601 with a zone, or a number of seconds or milliseconds since 1970. "
        "local: ISO 8601 without a zone, the device's or the site's.",
    )
    duplicate_by: str | None = Field(
        default=None,
        description="Path of what is the same when a message comes twice; its time where left out.",
    )
    restart_by: str | None = Field(
        default=None, description="Path of a counter of messages: where it falls, the device began anew."
    )
    decoded: str | None = Field(
        default=None,
        description="Path of what a network server's codec makes of the device's bytes; a payload without "
        "it is refused with the cure.",
    )
    deltas: tuple[Delta, ...] = ()
    points: dict[str, MqttPoint] = Field(min_length=1)

    @model_validator(mode="after")
    def _points_make_sense(self) -> "MqttPart":
        check_points(self.points.items())
        return self

    @model_validator(mode="after")
    def _keys_fit_the_payload(self) -> "MqttPart":
        if self.payload == "json":
            return self
        extras = ("time", "duplicate_by", "restart_by", "decoded", "deltas")
        if told := [key for key in extras if getattr(self, key)]:
            raise ValueError(f"payload {self.payload} has no {', '.join(told)}")
        if self.payload == "plain" and len(self.points) > 1:
            raise ValueError("a plain payload is one number: give one point, and a part a topic")
        if self.payload == "sparkplug_b" and not all(point.path for point in self.points.values()):
            raise ValueError("with Sparkplug B each point's path is the metric's name")
        return self


class MqttProfile(ProfileBase):
    """A device that publishes."""

    transport: Literal["mqtt"]
    availability: Availability | None = None
    parts: dict[str, MqttPart] = Field(min_length=1)

    def every_point(self) -> dict[str, MqttPoint]:
        """Everything that the device tells; of a quantity in two parts, the first, which is the one read."""
        parts = reversed(self.parts.values())
        return {name: point for part in parts for name, point in part.points.items()}

    @property
    def is_sparkplug(self) -> bool:
        """Whether the device's topic names a Sparkplug group, node and device."""
        return any(part.payload == "sparkplug_b" for part in self.parts.values())

    def overridden(self, overrides: Mapping[str, PointOverride]) -> "MqttProfile":
        """The profile as one device has it. Raises ValueError for what does not fit."""
        if not overrides:
            return self
        said = self.model_dump()
        for name, part in self.parts.items():
            for key, point in part.points.items():
                if key in overrides:
                    said["parts"][name]["points"][key] = _changed(point, overrides[key])
        return MqttProfile.model_validate(said)

    def layouts(self, device: str) -> dict[str, Layout]:
        """One layout a part, by the part's name."""
        return {
            name: Layout(
                device, name, self.family, tuple(point.spec(key) for key, point in part.points.items())
            )
            for name, part in self.parts.items()
        }


def _changed(point: MqttPoint, override: PointOverride) -> dict[str, Any]:
    said = override.model_dump(exclude_none=True, exclude={"address"})
    return {**point.model_dump(), **said}
