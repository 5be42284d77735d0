"""Which lines a world has: every address and serial line of its buses, who answers there, and how."""

import ssl
from collections.abc import Awaitable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from drivers.modbus_profile import ModbusProfile
from drivers.overrides import overridden
from drivers.settings import ModbusBus, ModbusDevice, ModbusRtuTcpBus, ModbusSerialBus, ModbusTcpBus
from simulators.conformance import PymodbusServer
from simulators.devices import SimulatedDevice
from simulators.modbus_server import KeptAnswers, ModbusServer
from simulators.rtu_server import RtuGateway, SerialLine
from simulators.serial_ends import LineTaken, SerialEnd, made_line, opened_line
from simulators.standing import FaultBook
from simulators.units import Instant
from simulators.value_faults import FaultyReadings
from simulators.world import World

ServerKind = Literal["own", "pymodbus"]


@dataclass(frozen=True, slots=True)
class Service:
    """How a world is served.

    control_port : of the control channel; 0 = any that is free, None = none.
    server : whose Modbus server; pymodbus's own knows plain Modbus TCP alone and no faults.
    certificate, key : PEM files that the devices with TLS show; the key may be in the certificate's file.
    lines : by the bus's id, a serial port at the other end of that bus's cable, where no line is to be made.
    """

    control_port: int | None = None
    server: ServerKind = "own"
    certificate: Path | None = None
    key: Path | None = None
    lines: Mapping[str, Path] = field(default_factory=dict)


class ServingError(Exception):
    """A world that cannot be served; ``code`` names the text in the word catalogue, ``data`` fills it."""

    def __init__(self, code: str, **data: object) -> None:
        self.code = code
        self.data = data
        super().__init__(f"{code}: {data}")


class Server(Protocol):
    """Who answers on a line."""

    async def close(self) -> None:
        """Stop answering."""


@dataclass(frozen=True, slots=True)
class Line:
    """One address or serial line, and the devices there by unit.

    ``address`` : for people, ``10.0.0.7:502`` or ``/dev/ttyUSB0``.
    """

    address: str
    bus: ModbusBus
    host: str
    port: int
    devices: dict[int, SimulatedDevice]


def lines_of(world: World, book: FaultBook, service: Service) -> list[Line]:
    """Every line with its devices. Raises ``ServingError`` where two devices or buses claim the same."""
    unknown = service.lines.keys() - {bus.id for bus in world.buses if isinstance(bus, ModbusSerialBus)}
    if unknown:
        raise ServingError("simulators.no_such_line", bus=", ".join(sorted(unknown)))
    found: dict[str, Line] = {}
    for bus, settings in _devices(world):
        line = _line(bus, settings)
        line = found.setdefault(line.address, line)
        if type(line.bus) is not type(bus) or _speaks_tls(line.bus) != _speaks_tls(bus):
            raise ServingError("simulators.two_wires", address=line.address, first=line.bus.id, second=bus.id)
        if settings.unit in line.devices:
            first = line.devices[settings.unit].id
            raise ServingError(
                "simulators.same_unit",
                address=line.address,
                unit=settings.unit,
                first=first,
                second=settings.id,
            )
        line.devices[settings.unit] = _device(world, bus, settings, book, service)
    return list(found.values())


def _devices(world: World) -> Iterator[tuple[ModbusBus, ModbusDevice]]:
    for bus in world.buses:
        if isinstance(bus, ModbusBus):
            for settings in bus.devices:
                yield bus, settings


def _line(bus: ModbusBus, settings: ModbusDevice) -> Line:
    if isinstance(bus, ModbusSerialBus):
        return Line(bus.line, bus, "", 0, {})
    host, port = settings.host or bus.host or "", settings.port or bus.port
    return Line(f"{host}:{port}", bus, host, port, {})


def _device(
    world: World, bus: ModbusBus, settings: ModbusDevice, book: FaultBook, service: Service
) -> SimulatedDevice:
    profile = world.profiles[settings.profile]
    assert isinstance(profile, ModbusProfile)  # noqa: S101  loading has checked it
    profile = overridden(profile, settings)
    # Our own TCP server keeps whole frames; a second keeping below it would only age them.
    keeps_frames = isinstance(bus, ModbusTcpBus) and service.server == "own"
    hold_s = 0.0 if keeps_frames else world.hold_s
    device = SimulatedDevice(settings.id, profile, world.model, hold_s=hold_s)
    device.telemetry = FaultyReadings(device.telemetry, book.of(settings.id), world.model, profile)
    return device


def _speaks_tls(bus: ModbusBus) -> bool:
    return isinstance(bus, ModbusTcpBus) and bus.tls is not None


async def answering(
    line: Line, now_s: Instant, book: FaultBook, kept: KeptAnswers, service: Service
) -> Server:
    """Who answers on a line, listening already. Raises ``ServingError``."""
    bus = line.bus
    if service.server == "pymodbus" and (not isinstance(bus, ModbusTcpBus) or _speaks_tls(bus)):
        raise ServingError("simulators.own_server_alone", bus=bus.id)
    if isinstance(bus, ModbusSerialBus):
        serial_line = SerialLine(line.devices, now_s, book)
        serial_line.start(_end(bus, service))
        return serial_line
    if isinstance(bus, ModbusRtuTcpBus):
        gateway = RtuGateway(line.devices, now_s, book)
        await listening(gateway.start(line.host, line.port), line.address)
        return gateway
    if service.server == "pymodbus":
        judge = PymodbusServer(line.devices, now_s)
        await listening(judge.start(line.host, line.port), line.address)
        return judge
    server = ModbusServer(line.devices, now_s, book, kept)
    tls = _shown(bus, service) if _speaks_tls(bus) else None
    await listening(server.start(line.host, line.port, tls), line.address)
    return server


async def listening(starting: Awaitable[int], address: str) -> int:
    """The port. Raises ``ServingError``."""
    try:
        return await starting
    except OSError as error:
        reason = error.strerror or str(error)
        raise ServingError("simulators.cannot_listen", address=address, reason=reason) from error


def _end(bus: ModbusSerialBus, service: Service) -> SerialEnd:
    path = service.lines.get(bus.id)
    try:
        return made_line(Path(bus.line)) if path is None else opened_line(path, bus)
    except LineTaken:
        raise ServingError("simulators.line_taken", bus=bus.id, line=bus.line) from None
    except OSError as error:
        reason = error.strerror or str(error)
        raise ServingError(
            "simulators.no_line", bus=bus.id, line=str(path or bus.line), reason=reason
        ) from error


def _shown(bus: ModbusBus, service: Service) -> ssl.SSLContext:
    """What devices with TLS show of themselves."""
    if service.certificate is None:
        raise ServingError("simulators.no_certificate", bus=bus.id)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(service.certificate, service.key, password="")
    except OSError as error:
        reason = getattr(error, "reason", None) or error.strerror or str(error)
        data = {"file": str(service.certificate), "reason": str(reason).replace("_", " ").lower()}
        raise ServingError("simulators.bad_certificate", **data) from error
    return context
