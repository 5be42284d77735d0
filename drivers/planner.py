"""The read planner: as few block reads as the device's limits allow, and never half a value."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

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
    points : the points whose values lie inside, with all their parts.
    places : each point's position in the scan.
    told : registers inside that tell a factor; no scan shows them.
    """

    table: Table
    start: int
    count: int
    points: tuple[RegisterPoint, ...]
    places: tuple[int, ...]
    told: tuple[RegisterPoint, ...] = ()


@dataclass(frozen=True, slots=True)
class _Member:
    """What is read in one piece, [start, end); ``place`` is None where no scan shows it."""

    table: Table
    start: int
    end: int
    point: RegisterPoint
    place: int | None

    @classmethod
    def of(cls, point: RegisterPoint, place: int | None) -> "_Member":
        return cls(point.table, *point.span, point, place)


def plan_reads(points: Sequence[RegisterPoint], limits: Limits) -> tuple[Block, ...]:
    """Join points into blocks, in address order.

    A block grows while the next value is within ``max_gap``, the block within ``max_regs`` and nothing of
    it in ``never_read``; growing greedily from the left gives the fewest blocks. Where only even counts
    are answered, an odd one is made even by the register behind, else by the one before. The parts of a
    value stay in one request, and the registers that tell factors are read along.

    Raises
    ------
    PlanError : a value alone breaks a limit.
    """
    told = dict.fromkeys(factor.register for point in points for factor in point.factors)
    members = [_Member.of(point, place) for place, point in enumerate(points)]
    members += [_Member.of(register, None) for register in told]
    blocks: list[Block] = []
    joined: list[_Member] = []
    for member in sorted(members, key=lambda member: (member.table.value, member.start, member.end)):
        _check(member, limits)
        if joined and not _joins(joined, member, limits):
            blocks.append(_block(joined, limits))
            joined = []
        joined.append(member)
    if joined:
        blocks.append(_block(joined, limits))
    return tuple(blocks)


def split_block(block: Block, limits: Limits) -> tuple[Block, ...]:
    """Halve a block between two of its values, for a device that refuses it as a whole.

    Returns
    -------
    Two blocks that hold every value of the block once, each within ``limits``; the block alone when all
    of its values lie in the same registers.
    """
    members = [_Member.of(point, place) for point, place in zip(block.points, block.places, strict=True)]
    members += [_Member.of(register, None) for register in block.told]
    members.sort(key=lambda member: (member.start, member.end))
    middle = block.start + block.count / 2
    cuts = [
        at
        for at in range(1, len(members))
        if (members[at].start, members[at].end) != (members[at - 1].start, members[at - 1].end)
    ]
    if not cuts:
        return (block,)
    cut = min(cuts, key=lambda at: abs(members[at].start - middle))
    return _block(members[:cut], limits), _block(members[cut:], limits)


def _check(member: _Member, limits: Limits) -> None:
    point = member.point
    if any(part.table is not point.table for part in point.parts):
        raise PlanError(f"{point.name}: its parts lie in different tables")
    places = sorted((point, *point.parts), key=lambda place: place.address)
    if any(after.address - before.end > limits.max_gap for before, after in pairwise(places)):
        raise PlanError(f"{point.name}: its parts lie further apart than max_gap {limits.max_gap}")
    count = member.end - member.start
    if _even(count, limits) > limits.max_regs:
        raise PlanError(f"{point.name}: {count} registers, but max_regs is {limits.max_regs}")
    if _forbidden(member.start, member.end, limits):
        raise PlanError(f"{point.name}: registers {member.start} to {member.end - 1} touch never_read")
    if _span(member.start, member.end, limits) is None:
        raise PlanError(f"{point.name}: no register beside {member.start} may be read to make the count even")


def _joins(joined: list[_Member], member: _Member, limits: Limits) -> bool:
    end = max(other.end for other in joined)
    if member.table is not joined[0].table or member.start - end > limits.max_gap:
        return False
    span = _span(joined[0].start, max(end, member.end), limits)
    return span is not None and span[1] <= limits.max_regs and not _forbidden(end, member.start, limits)


def _block(members: list[_Member], limits: Limits) -> Block:
    span = _span(members[0].start, max(member.end for member in members), limits)
    assert span is not None  # noqa: S101  nothing joins a block that it would make unreadable
    shown = [(member.point, member.place) for member in members if member.place is not None]
    return Block(
        table=members[0].table,
        start=span[0],
        count=span[1],
        points=tuple(point for point, _ in shown),
        places=tuple(place for _, place in shown),
        told=tuple(member.point for member in members if member.place is None),
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
