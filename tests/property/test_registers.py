"""What holds for every register layout: encoding and decoding are inverse, and plans read every value."""

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from drivers.modbus_profile import Limits, RegisterPoint, RegisterType, Table
from drivers.planner import PlanError, plan_reads
from drivers.registers import ScanDecoder, encode_value

ORDERS = st.sampled_from(["big", "little"])
INTEGERS = {
    RegisterType.U16: (0, 2**16 - 1),
    RegisterType.I16: (-(2**15), 2**15 - 1),
    RegisterType.U32: (0, 2**32 - 1),
    RegisterType.I32: (-(2**31), 2**31 - 1),
    RegisterType.U64: (0, 2**53),
    RegisterType.I64: (-(2**53), 2**53),
    RegisterType.MOD10K: (0, 99_999_999),
    RegisterType.BITS16: (0, 2**16 - 1),
}


@st.composite
def points_with_values(draw):
    """Points that follow each other with gaps, and a value that each can hold."""
    address, points, values = 0, [], []
    for i in range(draw(st.integers(1, 12))):
        address += draw(st.integers(0, 20))
        kind = draw(st.sampled_from([*INTEGERS, RegisterType.F32, RegisterType.F64]))
        points.append(
            RegisterPoint(f"p{i}", Table.HOLDING, address, kind, draw(ORDERS), draw(ORDERS), 1.0, 0.0)
        )
        if kind in INTEGERS:
            values.append(float(draw(st.integers(*INTEGERS[kind]))))
        else:
            width = 32 if kind is RegisterType.F32 else 64
            values.append(draw(st.floats(allow_nan=False, allow_infinity=False, width=width)))
        address += kind.words
    return points, values


limits = st.builds(
    Limits,
    max_regs=st.integers(4, 125),
    max_gap=st.integers(0, 30),
    even_count=st.booleans(),
    never_read=st.just(()),
)


@given(points_with_values(), limits)
def test_what_is_encoded_is_decoded(case, limit):
    points, values = case
    image = {}
    for point, value in zip(points, values, strict=True):
        for i, word in enumerate(encode_value(point, value)):
            image[point.address + i] = word
    blocks = plan_reads(points, limit)
    payloads = [
        b"".join(image.get(a, 0xDEAD).to_bytes(2, "big") for a in range(b.start, b.start + b.count))
        for b in blocks
    ]
    decoded, quality = ScanDecoder(blocks).decode(payloads)
    np.testing.assert_array_equal(decoded, values)
    assert not quality.any()


@st.composite
def crowded(draw):
    """Points near either end of the table, beside ranges that must not be read."""
    base = draw(st.sampled_from([0, 100, 65536 - 24]))
    taken = draw(st.lists(st.integers(base, base + 23), unique=True, min_size=1, max_size=8))
    free = [address for address in range(base, base + 24) if address not in taken]
    never = draw(st.lists(st.sampled_from(free), unique=True, max_size=8))
    points = [
        RegisterPoint(f"p{at}", Table.HOLDING, at, RegisterType.U16, "big", "big", 1.0, 0.0) for at in taken
    ]
    ranges = tuple((at, at) for at in never)
    return points, Limits(
        max_regs=draw(st.integers(2, 12)),
        max_gap=draw(st.integers(0, 6)),
        even_count=draw(st.booleans()),
        never_read=ranges,
    )


@given(crowded())
def test_no_request_leaves_the_table_or_touches_what_must_not_be_read(case):
    points, limit = case
    never = {first for first, _ in limit.never_read}
    try:
        blocks = plan_reads(points, limit)
    except PlanError:
        # Only a register that has no readable neighbour cannot be read in an even count.
        sides = [(point.address - 1, point.address + 1) for point in points]
        assert limit.even_count
        assert any(all(at in never or not 0 <= at < 65536 for at in pair) for pair in sides)
        return
    assert sorted(place for block in blocks for place in block.places) == list(range(len(points)))
    for block in blocks:
        read = range(block.start, block.start + block.count)
        assert read.start >= 0
        assert read.stop <= 65536
        assert never.isdisjoint(read)
        assert block.count <= limit.max_regs
        assert not (limit.even_count and block.count % 2)
        assert all(point.address in read for point in block.points)


@given(points_with_values(), limits)
def test_plans_keep_every_limit_and_miss_no_point(case, limit):
    points, _ = case
    blocks = plan_reads(points, limit)
    assert sorted(place for block in blocks for place in block.places) == list(range(len(points)))
    for block in blocks:
        assert block.count <= limit.max_regs
        assert not (limit.even_count and block.count % 2)
        for point in block.points:
            assert block.start <= point.address
            assert point.end <= block.start + block.count
        ends = sorted((point.address, point.end) for point in block.points)
        gaps = [b[0] - a[1] for a, b in pairwise(ends)]
        assert all(gap <= limit.max_gap for gap in gaps)
