"""What the operator says about a bus and its devices; the pydantic edge of the drivers."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Identifier = Annotated[
    str,
    Field(
        pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$",
        description="Stable id: lower-case letters, digits, - and _.",
    ),
]
Seconds = Annotated[float, Field(gt=0, le=86400)]
Port = Annotated[int, Field(ge=1, le=65535)]


class Settings(BaseModel):
    """Base of everything an operator writes: unknown keys are refused, and nothing changes later."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Secret(Settings):
    """Where a secret is kept; never the secret itself.

    Exactly one of ``env`` (name of an environment variable) and ``file`` (path of a file).
    """

    env: str | None = None
    file: str | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> "Secret":
        if (self.env is None) == (self.file is None):
            raise ValueError("give exactly one of 'env' and 'file'")
        return self


class ModbusDevice(Settings):
    """A device behind a Modbus TCP address."""

    id: Identifier
    profile: str = Field(description="Name of a device profile, as eastron_sdm630.")
    unit: int = Field(default=1, ge=0, le=255, description="Modbus unit (slave) id.")
    host: str | None = Field(default=None, description="Its own address, where the bus names none.")
    port: Port | None = None
    every_s: Seconds | None = Field(default=None, description="Poll period; the bus's when left out.")
    points: tuple[str, ...] | None = Field(
        default=None, description="Read only these points; all of the profile when left out."
    )
    word_order: Literal["big", "little"] | None = Field(
        default=None, description="Where the meter's own menu can change it (Eastron)."
    )


class ModbusTcpBus(Settings):
    """Modbus TCP: one gateway with many units, or many devices with an address each."""

    kind: Literal["modbus_tcp"]
    id: Identifier
    host: str | None = None
    port: Port = 502
    every_s: Seconds = 5.0
    timeout_s: Seconds = 1.0
    devices: tuple[ModbusDevice, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _every_device_has_a_host(self) -> "ModbusTcpBus":
        homeless = [device.id for device in self.devices if device.host is None and self.host is None]
        if homeless:
            raise ValueError(f"no 'host' for {', '.join(homeless)}: give one here or at the device")
        return self


class MqttDevice(Settings):
    """A device that publishes to a broker."""

    id: Identifier
    profile: str = Field(description="Name of a device profile whose transport is mqtt.")
    topic: str = Field(min_length=1, description="What {topic} stands for in the profile.")
    stale_after_s: Seconds = Field(default=300.0, description="Offline after this silence.")


class MqttBus(Settings):
    """A broker and the devices that publish to it."""

    kind: Literal["mqtt"]
    id: Identifier
    host: str
    port: Port = 1883
    version: Literal["3.1.1", "5"] = "5"
    client_id: str | None = Field(default=None, description="Stable; made from site and bus when left out.")
    username: str | None = None
    password: Secret | None = None
    keepalive_s: int = Field(default=30, ge=5, le=3600)
    devices: tuple[MqttDevice, ...] = Field(min_length=1)


Bus = Annotated[ModbusTcpBus | MqttBus, Field(discriminator="kind")]
