"""What the operator says about a bus and its devices; the pydantic edge of the drivers."""

from typing import Annotated, Literal, Self

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


class Tls(Settings):
    """TLS to a gateway or a broker. Certificates are always checked; a self-signed one is its own ``ca``."""

    ca: str | None = Field(
        default=None,
        description="PEM file of who signed the far end's certificate; else the system's.",
    )
    certificate: str | None = Field(default=None, description="PEM file of our own certificate.")
    key: str | None = Field(default=None, description="PEM file of its key, when not in the same file.")
    server_name: str | None = Field(
        default=None, description="The name in the far end's certificate, where it is not 'host'."
    )


class PointOverride(Settings):
    """What one device does otherwise than its profile says; what is left out stays as it is."""

    address: int | None = Field(default=None, ge=0, le=65536)
    unit: str | None = None
    scale: float | None = None
    offset: float | None = None
    valid: tuple[float, float] | None = None
    rolls_over_at: float | None = Field(default=None, gt=0)
    path: str | None = Field(default=None, description="MQTT: where the value lies in the payload.")


class LimitsOverride(Settings):
    """What one device bears otherwise than its profile says."""

    max_regs: int | None = Field(default=None, ge=1, le=125)
    max_gap: int | None = Field(default=None, ge=0)
    never_read: tuple[tuple[int, int], ...] | None = None
    even_count: bool | None = None
    pause_ms: float | None = Field(default=None, ge=0, le=10000)


class DeviceBase(Settings):
    """What every device says."""

    id: Identifier
    profile: str = Field(
        description="Name of a device profile, as eastron_sdm630 or eastron_sdm630@1, or path of a file."
    )
    overrides: dict[str, PointOverride] = Field(
        default_factory=dict, description="By point: what this device does otherwise than its profile says."
    )


class ModbusDevice(DeviceBase):
    """A device that is read by registers."""

    unit: int = Field(default=1, ge=0, le=255, description="Modbus unit (slave) id.")
    host: str | None = Field(default=None, description="Its own address, where the bus names none.")
    port: Port | None = None
    every_s: Seconds | None = Field(default=None, description="Poll period; the bus's when left out.")
    timeout_s: Seconds | None = Field(default=None, description="The bus's when left out.")
    retries: int | None = Field(default=None, ge=0, le=5, description="The bus's when left out.")
    points: tuple[str, ...] | None = Field(
        default=None, description="Read only these points; all of the profile when left out."
    )
    word_order: Literal["big", "little"] | None = Field(
        default=None, description="Where the meter's own menu can change it (Eastron)."
    )
    byte_order: Literal["big", "little"] | None = None
    limits: LimitsOverride = LimitsOverride()


class ModbusBusBase(Settings):
    """What every Modbus bus says."""

    id: Identifier
    every_s: Seconds = 5.0
    timeout_s: Seconds = 1.0
    retries: int = Field(default=0, ge=0, le=5, description="Asked again so often before a poll failed.")
    silent_share: float = Field(
        default=0.25,
        gt=0,
        le=1,
        description="Of the bus's time, the most that waiting for devices that do not answer may take.",
    )
    devices: tuple[ModbusDevice, ...] = Field(min_length=1)


class ModbusSocketBus(ModbusBusBase):
    """Modbus over a socket: one gateway with many units, or many devices with an address each."""

    host: str | None = None
    port: Port = 502

    @model_validator(mode="after")
    def _every_device_has_a_host(self) -> Self:
        homeless = [device.id for device in self.devices if device.host is None and self.host is None]
        if homeless:
            raise ValueError(f"no 'host' for {', '.join(homeless)}: give one here or at the device")
        return self


class ModbusTcpBus(ModbusSocketBus):
    """Modbus TCP, or Modbus/TCP Security where ``tls`` is given (port 802 then, as a rule)."""

    kind: Literal["modbus_tcp"]
    tls: Tls | None = None


class ModbusRtuTcpBus(ModbusSocketBus):
    """RTU frames through a socket: a serial gateway that passes bytes on as they are."""

    kind: Literal["modbus_rtu_tcp"]


class ModbusSerialBus(ModbusBusBase):
    """RTU on a serial line."""

    kind: Literal["modbus_rtu"]
    line: str = Field(min_length=1, description="The serial port, as /dev/ttyUSB0.")
    baud: int = Field(default=9600, ge=300, le=4_000_000)
    parity: Literal["none", "even", "odd"] = "none"
    data_bits: Literal[7, 8] = 8
    stop_bits: Literal[1, 2] = 1


ModbusBus = ModbusTcpBus | ModbusRtuTcpBus | ModbusSerialBus


class MqttDevice(DeviceBase):
    """A device that publishes to a broker."""

    topic: str = Field(min_length=1, description="What {topic} stands for in the profile.")
    stale_after_s: Seconds = Field(default=300.0, description="Offline after this silence.")
    timezone: str | None = Field(
        default=None, description="Of payload times without a zone (Tasmota); the site's when left out."
    )


class Broker(Settings):
    """How to reach a broker."""

    host: str
    port: Port = 1883
    username: str | None = None
    password: Secret | None = None
    tls: Tls | None = Field(default=None, description="Port 8883 then, as a rule.")
    keepalive_s: int = Field(default=30, ge=5, le=3600)


class MqttBus(Broker):
    """A broker and the devices that publish to it."""

    kind: Literal["mqtt"]
    id: Identifier
    version: Literal["3.1.1", "5"] = "5"
    client_id: str | None = Field(default=None, description="Stable; made from site and bus when left out.")
    devices: tuple[MqttDevice, ...] = Field(min_length=1)


Bus = Annotated[ModbusTcpBus | ModbusRtuTcpBus | ModbusSerialBus | MqttBus, Field(discriminator="kind")]
