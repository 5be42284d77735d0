import pytest

from drivers.modbus_profile import Limits, RegisterPoint, RegisterType, Table
from drivers.planner import PlanError, plan_reads


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
