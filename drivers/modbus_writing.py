"""Writing a point of a Modbus device, and reading back what the device makes of it."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Protocol

import numpy as np

from drivers.contract import DriverError, Garbled, NotObeyed, NotWritable, OutOfRange, Where, Written
from drivers.modbus_device import Device, Plan
from drivers.modbus_link import Question, order
from drivers.modbus_profile import RegisterPoint, RegisterType, Table, WritableRegister, register_points
from drivers.planner import plan_reads
from drivers.registers import encode_value
from drivers.writable import EVERYTHING, checked

AGAIN_S = 0.1
"""Between two looks at a device that takes its time."""

_FLOAT_SHARE = 1e-6
"""A float32 holds seven digits."""


class WritingLine(Protocol):
    """What is needed of a line."""

    def dialled(self, device: Device) -> AbstractAsyncContextManager[None]:
        """Take the line for some questions."""

    def ask(self, device: Device, one: Question) -> Awaitable[bytes]:
        """Put one question."""


async def show(line: WritingLine, device: Device, name: str, *, own: bool) -> float:
    """What the device goes by for a writable point, or what stands in it. Raises ``DriverError``."""
    point, writable = _point(device, name), _writable(device, name)
    async with line.dialled(device):
        return await _shown(line, device, point if own else _read_back(device, point, writable))


async def write(
    line: WritingLine, device: Device, name: str, value: float, clock_ms: Callable[[], int], *, own: bool
) -> Written:
    """Write a point and look until the device shows the value. Raises ``DriverError``."""
    point, writable = _point(device, name), _writable(device, name)
    words = words_for(device, name, value, own=own)
    single = writable.function == "single" or (writable.function == "auto" and len(words) == 1)
    seen = point if own else _read_back(device, point, writable)
    slack = _slack(point, value) + _slack(seen, value)
    one = order(device.where, device.unit, point.address, words, single=single)
    async with line.dialled(device):
        sent_ms = clock_ms()
        await line.ask(device, one)
        until_s = time.monotonic() + writable.settle_s
        shown = await _shown(line, device, seen)
    while abs(shown - value) > slack:
        if time.monotonic() >= until_s:
            raise NotObeyed(device.where, point=name, asked=f"{value:g}", shown=f"{shown:g}")
        await asyncio.sleep(AGAIN_S)  # without the line: others are asked meanwhile
        async with line.dialled(device):
            shown = await _shown(line, device, seen)
    return Written(value, shown, sent_ms, clock_ms())


def words_for(device: Device, name: str, value: float, *, own: bool) -> tuple[int, ...]:
    """The registers that are to be written. Raises ``NotWritable`` or ``OutOfRange``: nothing is sent."""
    point, writable = _point(device, name), _writable(device, name)
    valid = device.profile.points[name].valid or EVERYTHING
    checked(writable, device.where, name, value, valid if own else None)
    try:
        return encode_value(point, value)
    except OverflowError as error:  # the profile allows what its register cannot hold
        low, high = writable.between
        raise OutOfRange(
            device.where, point=name, value=f"{value:g}", low=f"{low:g}", high=f"{high:g}"
        ) from error


def _writable(device: Device, name: str) -> WritableRegister:
    writable = device.profile.points[name].writable if name in device.profile.points else None
    if writable is None:
        raise NotWritable(device.where, point=name)
    return writable


def _point(device: Device, name: str) -> RegisterPoint:
    if name not in device.profile.points:
        raise NotWritable(device.where, point=name)
    (point,) = register_points(device.profile, [name])
    if point.table is not Table.HOLDING or point.parts or point.factors:
        raise NotWritable(device.where, point=name)
    return point


def _read_back(device: Device, point: RegisterPoint, writable: WritableRegister) -> RegisterPoint:
    if writable.read_back is None:
        return point
    (seen,) = register_points(device.profile, [writable.read_back])
    return seen


async def _shown(line: WritingLine, device: Device, point: RegisterPoint) -> float:
    plan = Plan.of(device.where, device.unit, plan_reads([point], device.limits))
    values, _ = plan.decoder.decode([await line.ask(device, one) for one in plan.questions])
    if not np.isfinite(values[0]):
        raise _no_value(device.where, point.name)
    return float(values[0])


def _no_value(where: Where, point: str) -> DriverError:
    return Garbled(where, "write.no_value", point=point)


def _slack(point: RegisterPoint, value: float) -> float:
    """By how much a register's own rounding may be off: half a step, or a float's last digit."""
    if point.type in (RegisterType.F32, RegisterType.F64):
        return _FLOAT_SHARE * max(1.0, abs(value))
    return 0.5 * abs(point.scale) * (1 + _FLOAT_SHARE)
