"""The read planner: as few block reads as the device's limits allow, and never half a value."""

from collections.abc import Sequence
from dataclasses import dataclass

from drivers.modbus_profile import Limits, RegisterPoint, Table

REGISTERS = 65536
"""A table has no more."""


class PlanError(ValueError):
    """A point cannot be read within the profile's limits."""


@dataclass(frozen=True, slots=True)
class Block:
    """One read request.

    Attributes
    ----------
    start, count : wire address of the first register, and how many.
    points : the points whose values lie inside.
    places : each point's position in the scan.
    """

    table: Table
    start: int
    count: int
    points: tuple[RegisterPoint, ...]
    places: tuple[int, ...]


def plan_reads(points: Sequence[RegisterPoint], limits: Limits) -> tuple[Block, ...]:
    """Join points into blocks, in address order.

    A block grows while the next value is within ``max_gap``, the block within ``max_regs`` and nothing of
    it in ``never_read``; growing greedily from the left gives the fewest blocks. Where only even counts
    are answered, an odd one is made even by the register behind, else by the one before.

    Raises
    ------
    PlanError : a value alone breaks a limit.
    """
    ordered = sorted(enumerate(points), key=lambda item: (item[1].table.value, item[1].address))
    blocks: list[Block] = []
    members: list[tuple[int, RegisterPoint]] = []
    for place, point in ordered:
        _check(point, limits)
        if members and not _joins(members, point, limits):
            blocks.append(_block(members, limits))
            members = []
        members.append((place, point))
    if members:
        blocks.append(_block(members, limits))
    return tuple(blocks)


def _check(point: RegisterPoint, limits: Limits) -> None:
    if _even(point.type.words, limits) > limits.max_regs:
        raise PlanError(f"{point.name}: {point.type.words} registers, but max_regs is {limits.max_regs}")
    if _forbidden(point.address, point.end, limits):
        raise PlanError(f"{point.name}: registers {point.address} to {point.end - 1} touch never_read")
    if _span(point.address, point.end, limits) is None:
        raise PlanError(
            f"{point.name}: no register beside {point.address} may be read to make the count even"
        )


def _joins(members: list[tuple[int, RegisterPoint]], point: RegisterPoint, limits: Limits) -> bool:
    first = members[0][1]
    end = max(member.end for _, member in members)
    if point.table is not first.table or point.address - end > limits.max_gap:
        return False
    span = _span(first.address, max(end, point.end), limits)
    return span is not None and span[1] <= limits.max_regs and not _forbidden(end, point.address, limits)


def _block(members: list[tuple[int, RegisterPoint]], limits: Limits) -> Block:
    span = _span(members[0][1].address, max(point.end for _, point in members), limits)
    assert span is not None  # noqa: S101  nothing joins a block that it would make unreadable
    return Block(
        table=members[0][1].table,
        start=span[0],
        count=span[1],
        points=tuple(point for _, point in members),
        places=tuple(place for place, _ in members),
    )


def _span(start: int, end: int, limits: Limits) -> tuple[int, int] | None:
    """Start and count of the request that reads [start, end); None when it cannot be made even."""
    count = _even(end - start, limits)
    if count == end - start:
        return start, count
    if end < REGISTERS and not _forbidden(end, end + 1, limits):
        return start, count
    if start > 0 and not _forbidden(start - 1, start, limits):
        return start - 1, count
    return None


def _even(count: int, limits: Limits) -> int:
    return count + count % 2 if limits.even_count else count


def _forbidden(start: int, end: int, limits: Limits) -> bool:
    """Whether [start, end) touches a range that must not be read."""
    return any(start <= last and end > first for first, last in limits.never_read)
