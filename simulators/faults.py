"""Faults as data: what may go wrong with a simulated device, when and how often."""

from typing import Annotated, Literal

from pydantic import AwareDatetime, Field

from drivers.settings import Seconds, Settings

EVERY_DEVICE = "*"

Points = Annotated[
    tuple[str, ...], Field(description="Of the device; where none is named, those that the kind is about.")
]


class FaultBase(Settings):
    """What every fault says. Seconds are the world's; without an end it lasts until it is cleared."""

    device: str = Field(min_length=1, description="Id of a device, or * for all.")
    from_s: float = Field(default=0.0, ge=0, description="Seconds after the world's start.")
    at: AwareDatetime | None = Field(default=None, description="An instant of the world, instead of from_s.")
    for_s: Seconds | None = None
    until: AwareDatetime | None = Field(default=None, description="Instead of for_s.")
    every: int = Field(
        default=1, ge=1, description="Only each so-maniest question, reading or message, the first at once."
    )
    times: int | None = Field(default=None, ge=1, description="At most so often.")
    spared: int = Field(default=0, ge=0, description="The first so many are let through.")


class WireFault(FaultBase):
    """A Modbus device that answers otherwise than it should."""


class Silent(WireFault):
    """No answer; an MQTT device publishes nothing."""

    kind: Literal["silent"]


class Slow(WireFault):
    """The answer comes late."""

    kind: Literal["slow"]
    after_ms: float = Field(gt=0, le=600_000)


class Dripping(WireFault):
    """The answer comes a byte at a time."""

    kind: Literal["dripping"]
    gap_ms: float = Field(gt=0, le=60_000)


class Refusing(WireFault):
    """An exception instead of an answer, for all registers or for those in a range."""

    kind: Literal["refusing"]
    code: Literal[1, 2, 3, 4, 5, 6, 8, 10, 11] = 2
    addresses: tuple[int, int] | None = Field(
        default=None, description="First and last wire address; a request that touches one is refused."
    )


class ForeignUnit(WireFault):
    """The answer bears another unit's id."""

    kind: Literal["foreign_unit"]
    unit: int | None = Field(default=None, ge=0, le=255, description="The next one when left out.")


class ForeignTransaction(WireFault):
    """The answer bears the id of another question."""

    kind: Literal["foreign_transaction"]


class Late(WireFault):
    """The answer is kept back and sent when the next question of the same connection comes."""

    kind: Literal["late"]


class Cutting(WireFault):
    """Part of an answer, then silence or a closed connection."""

    kind: Literal["cutting"]
    bytes: int | None = Field(default=None, ge=0, description="How many are sent; half when left out.")
    then: Literal["silence", "close"] = "silence"


class Closing(WireFault):
    """The connection is closed instead of an answer."""

    kind: Literal["closing"]


class Garbage(WireFault):
    """Random bytes instead of an answer or payload."""

    kind: Literal["garbage"]
    bytes: int = Field(default=32, ge=1, le=65_536)


class WrongCount(WireFault):
    """The answer's byte count is not that of its data."""

    kind: Literal["wrong_count"]
    by: int = Field(default=2, ge=-250, le=250)


class WriteFault(FaultBase):
    """A device that does otherwise than it is told; what is only read is not concerned."""


class Disobeying(WriteFault):
    """A write is acknowledged and not done; or refused, or not done without a word, or done without one."""

    kind: Literal["disobeying"]
    how: Literal["ignore", "refuse", "silent", "mute"] = "ignore"


class ValueFault(FaultBase):
    """A device that answers well and shows something else than it measures."""

    points: Points = ()


class RollingOver(ValueFault):
    """A counter starts so near to its modulus that it passes it soon."""

    kind: Literal["rolling_over"]
    before: float = Field(gt=0, description="What is left to the modulus at first, in the quantity's unit.")
    modulus: float | None = Field(
        default=None, gt=0, description="In the quantity's unit; the profile's when left out."
    )


class Resetting(ValueFault):
    """A counter begins again at 0."""

    kind: Literal["resetting"]


class Zero(ValueFault):
    """A counter shows 0; with ``times: 1`` a single spurious answer."""

    kind: Literal["zero"]


class Stuck(ValueFault):
    """A counter stands still while the rate goes on."""

    kind: Literal["stuck"]


class Frozen(ValueFault):
    """Gauges stand still while the counters go on."""

    kind: Literal["frozen"]


class Spiking(ValueFault):
    """A counter shows too much."""

    kind: Literal["spiking"]
    by: float = Field(description="In the quantity's unit.")


class Invalid(ValueFault):
    """All points show what the device shows without a value: NaN, or a pattern of the profile."""

    kind: Literal["invalid"]


class MessageFault(FaultBase):
    """An MQTT device that publishes otherwise than it should."""


class Duplicate(MessageFault):
    """Each message comes twice."""

    kind: Literal["duplicate"]


class Retained(MessageFault):
    """Messages are kept by the broker, as old as ``age_s``; a subscriber gets the last one at once."""

    kind: Literal["retained"]
    age_s: float = Field(default=0.0, ge=0, le=366 * 86_400)


class Disordered(MessageFault):
    """After each message comes one that is older."""

    kind: Literal["disordered"]
    age_s: float = Field(default=60.0, gt=0, le=366 * 86_400)


ModbusKind = (
    Silent
    | Slow
    | Dripping
    | Refusing
    | ForeignUnit
    | ForeignTransaction
    | Late
    | Cutting
    | Closing
    | Garbage
    | WrongCount
)
ValueKind = RollingOver | Resetting | Zero | Stuck | Frozen | Spiking | Invalid
MessageKind = Duplicate | Retained | Disordered
Fault = Annotated[ModbusKind | Disobeying | ValueKind | MessageKind, Field(discriminator="kind")]


class FaultScript(Settings):
    """A file of faults."""

    seed: int = Field(default=0, ge=0, description="Of random bytes: the same seed gives the same ones.")
    faults: tuple[Fault, ...] = ()
