"""Modbus devices made from profiles: what their registers hold at any instant, and what may be written."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum

from drivers.modbus_profile import ModbusProfile, Order, RegisterPoint, Table, register_points
from drivers.profile import is_counter
from simulators.building import Building
from simulators.encode import decoded, encoded
from simulators.telemetry import Reading, Telemetry


class ExceptionCode(IntEnum):
    """How a Modbus device says no."""

    ILLEGAL_FUNCTION = 1
    ILLEGAL_ADDRESS = 2
    ILLEGAL_VALUE = 3
    DEVICE_FAILURE = 4
    NO_SUCH_UNIT = 11


class ModbusRefusal(Exception):
    """The device answers with an exception."""

    def __init__(self, code: ExceptionCode) -> None:
        self.code = code
        super().__init__(code.name)


@dataclass(frozen=True, slots=True)
class _Extent:
    """The registers that a table has, [start, end), and the points in it."""

    start: int
    end: int
    points: tuple[RegisterPoint, ...]


class SimulatedDevice:
    """One Modbus device of a site, fed by the building.

    It keeps to its profile: addresses outside the table's extent, requests larger than the device
    bears, odd counts where it wants even ones and ranges that must never be read are refused, so that
    a driver's mistake is seen. Gaps between points read 0.

    Parameters
    ----------
    word_order : the device's own, where its menu was changed.
    hold_s : how long, in the world's time, an answer is given again: real meters measure afresh about
        once a second. 0 = each answer is of its own instant.
    """

    def __init__(
        self,
        device_id: str,
        profile: ModbusProfile,
        model: Building,
        word_order: Order | None = None,
        hold_s: float = 0.0,
    ) -> None:
        self.id = device_id
        self.profile = profile
        self.model = model
        self._hold_s = hold_s
        self._held: dict[tuple[Table, int, int], tuple[float, bytes]] = {}
        self.setpoints: dict[str, float] = {}
        self.points = register_points(profile, word_order=word_order)
        self.telemetry: Callable[[str], Reading] = Telemetry(model, device_id, profile.family, self.setpoints)
        self._extents = {table: extent for table in Table if (extent := self._extent(table))}

    def _extent(self, table: Table) -> _Extent | None:
        points = tuple(point for point in self.points if point.table is table)
        if not points:
            return None
        start, end = min(point.address for point in points), max(point.end for point in points)
        if self.profile.limits.even_count and (end - start) % 2:
            end += 1
        return _Extent(start, end, points)

    def value(self, name: str, at_s: float) -> float:
        """One quantity at an instant, in the product's unit, before the register's rounding."""
        return self.telemetry(name)(self.model.at(at_s))

    def read(self, table: Table, address: int, count: int, at_s: float) -> bytes:
        """Registers as they go on the wire, two bytes each.

        Raises
        ------
        ModbusRefusal : no such registers, or more of them than the device bears.
        """
        request = (table, address, count)
        held = self._held.get(request)
        if held is not None and 0.0 <= at_s - held[0] < self._hold_s:
            return held[1]
        extent = self._checked(table, address, count)
        answer = self._image(extent.points, address, address + count, at_s)
        if self._hold_s:
            self._held[request] = (at_s, answer)
        return answer

    def _checked(self, table: Table, address: int, count: int) -> _Extent:
        """The table's extent, if the request keeps to it and to what the device bears."""
        limits = self.profile.limits
        if not 1 <= count <= limits.max_regs or (limits.even_count and count % 2):
            raise ModbusRefusal(ExceptionCode.ILLEGAL_VALUE)
        extent, end = self._extents.get(table), address + count
        if extent is None or address < extent.start or end > extent.end:
            raise ModbusRefusal(ExceptionCode.ILLEGAL_ADDRESS)
        if any(address <= last and first < end for first, last in limits.never_read):
            raise ModbusRefusal(ExceptionCode.ILLEGAL_ADDRESS)
        return extent

    def _image(self, points: Sequence[RegisterPoint], address: int, end: int, at_s: float) -> bytes:
        now = self.model.at(at_s)
        # Room for values that begin before or end after what was asked for.
        image = bytearray(2 * (end - address) + 16)
        for point in points:
            if point.end <= address or point.address >= end:
                continue
            data = self._encoded(point, self.telemetry(point.name)(now))
            skip = max(0, address - point.address)
            at = 2 * (point.address + skip - address)
            image[at : at + len(data) - 2 * skip] = data[2 * skip :]
        return bytes(image[: 2 * (end - address)])

    def _encoded(self, point: RegisterPoint, value: float) -> bytes:
        modulus = self.profile.points[point.name].rolls_over_at
        return encoded(point, value % modulus if modulus else value, wraps=is_counter(point.name))

    def write(self, address: int, data: bytes) -> None:
        """Take registers written to the holding table; whole writable points only, all or nothing.

        Raises
        ------
        ModbusRefusal : a register cannot be written, or a value lies outside the point's range.
        """
        taken: dict[str, float] = {}
        at, end = address, address + len(data) // 2
        while at < end:
            point = self._writable_at(at)
            if point is None or point.end > end:
                raise ModbusRefusal(ExceptionCode.ILLEGAL_ADDRESS)
            value = decoded(point, data[2 * (at - address) : 2 * (point.end - address)])
            writable = self.profile.points[point.name].writable
            if writable and not (
                writable.between[0] <= value <= writable.between[1] or value == writable.release
            ):
                raise ModbusRefusal(ExceptionCode.ILLEGAL_VALUE)
            taken[point.name] = value
            at = point.end
        self.setpoints.update(taken)
        self._held.clear()

    def _writable_at(self, address: int) -> RegisterPoint | None:
        for point in self.points:
            if point.table is Table.HOLDING and point.address == address:
                return point if self.profile.points[point.name].writable else None
        return None
