"""Modbus devices made from profiles: what their registers hold at any instant, and what may be written."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum

from drivers.modbus_profile import ModbusProfile, Order, RegisterPoint, Table, register_points
from drivers.profile import is_counter
from drivers.writable import allows
from simulators.building import Building
from simulators.composing import laid_out, places, sensible_raws
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
    """The registers that a table has, [start, end), and what lies in it.

    Attributes
    ----------
    points : those that have a place in the table.
    told : registers that tell factors of other points.
    """

    start: int
    end: int
    points: tuple[RegisterPoint, ...]
    told: tuple[RegisterPoint, ...]


class _Image:
    """The registers [address, end) as they go on the wire; what nobody puts there is 0."""

    def __init__(self, address: int, end: int) -> None:
        self._address = address
        self._end = end
        self._registers = bytearray(2 * (end - address))

    def whole(self) -> bytes:
        return bytes(self._registers)

    def touches(self, place: RegisterPoint) -> bool:
        return place.address < self._end and self._address < place.end

    def put(self, place: RegisterPoint, data: bytes) -> None:
        """Lay data over the image; values may begin before it or end after it."""
        first = max(place.address, self._address)
        last = min(place.end, self._end)
        inside = data[2 * (first - place.address) : 2 * (last - place.address)]
        at = 2 * (first - self._address)
        self._registers[at : at + len(inside)] = inside


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

    Attributes
    ----------
    raws : what the registers that tell factors hold, by name; may be changed, as in a device's menu.
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
        self.raws = sensible_raws(self.points)
        self.telemetry: Callable[[str], Reading] = Telemetry(model, device_id, profile.family, self.setpoints)
        self._extents = {table: extent for table in Table if (extent := self._extent(table))}

    def _extent(self, table: Table) -> _Extent | None:
        points = tuple(point for point in self.points if any(place.table is table for place in places(point)))
        told = dict.fromkeys(factor.register for point in self.points for factor in point.factors)
        here = tuple(register for register in told if register.table is table)
        taken = [place for point in points for place in places(point) if place.table is table]
        if not taken and not here:
            return None
        start = min(place.address for place in (*taken, *here))
        end = max(place.end for place in (*taken, *here))
        if self.profile.limits.even_count:  # one register beside a value is read along to make it even
            start, end = max(start - 1, 0), min(end + 1, 65536)
        return _Extent(start, end, points, here)

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
        answer = self._image(table, extent, address, address + count, at_s)
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

    def _image(self, table: Table, extent: _Extent, address: int, end: int, at_s: float) -> bytes:
        now = self.model.at(at_s)
        image = _Image(address, end)
        for point in extent.points:
            # Only what is asked for is worked out.
            if any(place.table is table and image.touches(place) for place in places(point)):
                laid = self._laid_out(point, self.telemetry(point.name)(now))
                for place, data in zip(places(point), laid, strict=True):
                    if place.table is table and image.touches(place):
                        image.put(place, data)
        for register in extent.told:
            if image.touches(register):
                image.put(register, encoded(register, self.raws[register.name]))
        return image.whole()

    def _laid_out(self, point: RegisterPoint, value: float) -> tuple[bytes, ...]:
        modulus = self.profile.points[point.name].rolls_over_at
        shown = value % modulus if modulus else value
        return laid_out(point, shown, self.raws, wraps=is_counter(point.name))

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
            if writable and not allows(writable, value):
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
