"""Fuzz the Modbus decoder: any registers, any limits, any bytes give a value or none, and never an error.

Run by `make fuzz`. What libFuzzer hands over is spent on a register list first, then on what a device
answers, so that it finds its way through the planner and the decoder together.
"""

import contextlib
import warnings
from dataclasses import replace

import atheris

from tests.fuzz.harness import fuzz

with atheris.instrument_imports(include=["drivers.planner", "drivers.registers"]):
    import numpy as np

    from drivers.modbus_profile import Limits, RegisterPoint, RegisterType, Table, ToldFactor
    from drivers.planner import Block, PlanError, plan_reads, split_block
    from drivers.registers import ScanDecoder
    from rules.quality import Quality

KINDS = list(RegisterType)
ORDERS = ["big", "little"]
SCALES = [1.0, 0.1, -0.001, 1e9, 1e300]


def a_register(data: atheris.FuzzedDataProvider, beside: RegisterPoint | None = None) -> RegisterPoint:
    """Any register; with ``beside`` near to that one, in its table as a rule."""
    kind = data.PickValueInList(KINDS)
    marked = data.ConsumeIntListInRange(data.ConsumeIntInRange(0, 2), 0, (1 << min(16 * kind.words, 63)) - 1)
    table = data.PickValueInList(list(Table))
    address = data.ConsumeIntInRange(0, 120)
    if beside is not None and data.ConsumeIntInRange(0, 9):
        table, address = beside.table, beside.end + address % 8
    return RegisterPoint(
        "p",
        table,
        address,
        kind,
        data.PickValueInList(ORDERS),
        data.PickValueInList(ORDERS),
        data.PickValueInList(SCALES),
        data.PickValueInList([0.0, -45.0]),
        tuple(marked),
    )


def a_point(data: atheris.FuzzedDataProvider) -> RegisterPoint:
    point = a_register(data)
    parts = tuple(a_register(data, point) for _ in range(data.ConsumeIntInRange(0, 2)))
    factors = []
    for _ in range(data.ConsumeIntInRange(0, 2)):
        table = ((0, 1.0), (3, 0.001), (65535, -1e300)) if data.ConsumeBool() else None
        factors.append(ToldFactor(a_register(data), table, data.ConsumeIntInRange(-12, 12)))
    return replace(point, parts=parts, factors=tuple(factors))


def some_limits(data: atheris.FuzzedDataProvider) -> Limits:
    first = data.ConsumeIntInRange(0, 140)
    never = ((first, first + data.ConsumeIntInRange(0, 3)),) if data.ConsumeBool() else ()
    return Limits(
        max_regs=data.ConsumeIntInRange(1, 125),
        max_gap=data.ConsumeIntInRange(0, 125),
        even_count=data.ConsumeBool(),
        never_read=never,
    )


def answer(block: Block, data: atheris.FuzzedDataProvider) -> bytes | None:
    what = data.ConsumeIntInRange(0, 7)
    if what == 0:
        return None
    if what == 1:
        return data.ConsumeBytes(data.ConsumeIntInRange(0, 260))
    return data.ConsumeBytes(2 * block.count).ljust(2 * block.count, b"\xff")


def check_plan(blocks: tuple[Block, ...], limits: Limits, points: int) -> None:
    assert sorted(place for block in blocks for place in block.places) == list(range(points))
    for block in blocks:
        assert 1 <= block.count <= limits.max_regs
        assert not (limits.even_count and block.count % 2)
        assert not any(
            block.start <= last and first < block.start + block.count for first, last in limits.never_read
        )


def check_values(blocks: tuple[Block, ...], data: atheris.FuzzedDataProvider, points: int) -> None:
    payloads = [answer(block, data) for block in blocks]
    values, quality = ScanDecoder(blocks).decode(payloads)
    assert values.shape == quality.shape == (points,)
    assert (np.isfinite(values) == (quality == Quality.GOOD)).all()
    assert ((quality == Quality.GOOD) | (quality == Quality.MISSING)).all()


def one_input(fuzzed: bytes) -> None:
    data = atheris.FuzzedDataProvider(fuzzed)
    limits = some_limits(data)
    points = []
    for _ in range(data.ConsumeIntInRange(1, 8)):
        point = a_point(data)
        with contextlib.suppress(PlanError):  # what no request can read is refused when a profile is loaded
            plan_reads([point], limits)
            points.append(point)
    blocks = plan_reads(points, limits)
    check_plan(blocks, limits, len(points))
    halves = tuple(half for block in blocks for half in split_block(block, limits))
    check_plan(halves, limits, len(points))
    if points:
        check_values(blocks, data, len(points))
        check_values(halves, data, len(points))


if __name__ == "__main__":
    warnings.simplefilter("error")
    fuzz(one_input)
