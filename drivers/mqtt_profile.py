"""Profiles of devices that publish: which topics they use, and where each quantity lies in a payload."""

from typing import Literal

from pydantic import Field, model_validator

from drivers.profile import PointBase, ProfileBase, check_points
from drivers.settings import Settings
from rules.scan import Layout


class MqttPoint(PointBase):
    """A value in a payload; ``path`` as ``v.kw``, empty when the payload is the number itself."""

    path: str = ""


class MqttPart(Settings):
    """One topic and what its payload carries."""

    topic: str = Field(default="{topic}", description="{topic} is the device's.")
    payload: Literal["json", "plain"] = "json"
    time: str | None = Field(default=None, description="Path of the payload's own timestamp (ISO 8601).")
    points: dict[str, MqttPoint] = Field(min_length=1)

    @model_validator(mode="after")
    def _points_make_sense(self) -> "MqttPart":
        check_points(self.points.items())
        return self


class MqttProfile(ProfileBase):
    """A device that publishes."""

    transport: Literal["mqtt"]
    parts: dict[str, MqttPart] = Field(min_length=1)

    def layouts(self, device: str) -> dict[str, Layout]:
        """One layout a part, by the part's name."""
        return {
            name: Layout(
                device, name, self.family, tuple(point.spec(key) for key, point in part.points.items())
            )
            for name, part in self.parts.items()
        }
