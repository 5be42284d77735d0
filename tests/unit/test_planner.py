from dataclasses import replace

import pytest

from drivers.modbus_profile import Limits, RegisterPoint, RegisterType, Table, ToldFactor
from drivers.planner import PlanError, plan_reads, split_block


def at(address: int, type_: str = "u16", table: Table = Table.HOLDING) -> RegisterPoint:
    return RegisterPoint(f"p{address}", table, address, RegisterType(type_), "big", "big", 1.0, 0.0)


def spans(points, **limits):
    return [(block.start, block.count) for block in plan_reads(points, Limits(**limits))]


def test_neighbours_are_read_together_across_a_small_gap():
    assert spans([at(0), at(1), at(5)], max_gap=3) == [(0, 6)]
    assert spans([at(0), at(1), at(5)], max_gap=2) == [(0, 2), (5, 1)]


def test_a_block_ends_where_the_device_ends_it():
    assert spans([at(0, "f32"), at(2, "f32"), at(4, "f32")], max_regs=5) == [(0, 4), (4, 2)]


def test_a_forbidden_range_is_never_touched():
    assert spans([at(99), at(120)], max_gap=60, never_read=((100, 119),)) == [(99, 1), (120, 1)]
    with pytest.raises(PlanError, match="p105"):
        spans([at(105)], never_read=((100, 119),))


def test_even_counts_where_the_device_wants_them():
    assert spans([at(0), at(2)], even_count=True) == [(0, 4)]


def test_an_even_count_never_reads_what_it_must_not():
    even = {"even_count": True, "max_gap": 8}
    assert spans([at(10), at(12)], never_read=((13, 13),), **even) == [(9, 4)]
    assert spans([at(10), at(12)], never_read=((9, 9), (13, 13)), **even) == [(10, 2), (11, 2)]
    assert spans([at(65535)], **even) == [(65534, 2)]
    assert spans([at(0)], **even) == [(0, 2)]
    with pytest.raises(PlanError, match="p10: no register beside 10"):
        spans([at(10)], never_read=((9, 9), (11, 11)), **even)


def test_tables_are_read_apart():
    assert spans([at(0), at(1, table=Table.INPUT)]) == [(0, 1), (1, 1)]


def test_a_value_larger_than_a_request_is_refused():
    with pytest.raises(PlanError, match="max_regs is 2"):
        spans([at(0, "f64")], max_regs=2)


def test_nothing_to_read_is_no_request():
    assert spans([]) == []


def with_part(first: int, second: int, type_: str = "u16", table: Table = Table.HOLDING) -> RegisterPoint:
    return replace(at(first, "u32"), parts=(at(second, type_, table),))


def told_by(point: RegisterPoint, *registers: RegisterPoint) -> RegisterPoint:
    return replace(point, factors=tuple(ToldFactor(register, None, 0) for register in registers))


def test_the_parts_of_a_value_are_never_torn_apart():
    assert spans([at(0), at(1), at(2), with_part(3, 5)], max_regs=5) == [(0, 3), (3, 3)]
    # A part may stand before its value, and other values between the two.
    points = [with_part(4, 0), at(2), at(20)]
    (first, second) = plan_reads(points, Limits())
    assert (first.start, first.count, first.places) == (0, 6, (0, 1))
    assert (second.start, second.places) == (20, (2,))


def test_parts_that_no_request_can_hold_are_refused():
    with pytest.raises(PlanError, match="different tables"):
        spans([with_part(0, 2, table=Table.INPUT)])
    with pytest.raises(PlanError, match="further apart than max_gap 4"):
        spans([with_part(0, 7)], max_gap=4)
    with pytest.raises(PlanError, match="10 registers, but max_regs is 8"):
        spans([with_part(0, 9)], max_gap=8, max_regs=8)
    with pytest.raises(PlanError, match="touch never_read"):
        spans([with_part(0, 4)], never_read=((3, 3),))


def test_what_tells_a_factor_is_read_along_once_and_shown_nowhere():
    told = at(30)
    blocks = plan_reads([told_by(at(0), told), told_by(at(1), told), at(29)], Limits())
    assert [(block.start, block.count, block.places) for block in blocks] == [(0, 2, (0, 1)), (29, 2, (2,))]
    assert [block.told for block in blocks] == [(), (told,)]
    (alone,) = plan_reads([told_by(at(0), at(0))], Limits())  # a register may tell of itself
    assert (alone.start, alone.count, alone.told) == (0, 1, (at(0),))


def halves(points, **limits):
    (block,) = plan_reads(points, Limits(**limits))
    return [(half.start, half.count, half.places) for half in split_block(block, Limits(**limits))]


def test_a_block_is_halved_between_two_values():
    assert halves([at(0), at(1), at(2), at(3)]) == [(0, 2, (0, 1)), (2, 2, (2, 3))]
    assert halves([at(0, "f32"), at(2, "f32"), at(4, "f32")]) == [(0, 2, (0,)), (2, 4, (1, 2))]
    # The gap between them is no longer read.
    assert halves([at(0), at(8)]) == [(0, 1, (0,)), (8, 1, (1,))]
    assert halves([with_part(0, 2), at(3)]) == [(0, 3, (0,)), (3, 1, (1,))]
    assert halves([told_by(at(0), at(1))]) == [(0, 1, (0,)), (1, 1, ())]


def test_what_lies_in_the_same_registers_is_not_halved():
    assert halves([at(0)]) == [(0, 1, (0,))]
    assert halves([at(0), at(0, "i16")]) == [(0, 1, (0, 1))]
    assert halves([with_part(0, 2)]) == [(0, 3, (0,))]


def test_halves_keep_the_even_count():
    assert halves([at(10), at(11)], even_count=True, never_read=((9, 9), (12, 12))) == [
        (10, 2, (0,)),
        (10, 2, (1,)),
    ]
