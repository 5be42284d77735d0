"""What holds for every register layout: encoding and decoding are inverse, and plans read every value."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.modbus_profile import Limits, RegisterPoint, RegisterType, Table, ToldFactor
from drivers.planner import Block, PlanError, plan_reads, split_block
from drivers.registers import ScanDecoder, encode_value
from rules.quality import Quality
from simulators.composing import laid_out, places, put_together

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


def register(name: str, address: int, kind: RegisterType, draw, **changes) -> RegisterPoint:
    settings = {"scale": 1.0, "offset": 0.0} | changes
    return RegisterPoint(name, Table.HOLDING, address, kind, draw(ORDERS), draw(ORDERS), **settings)


@st.composite
def points_with_values(draw):
    """Points that follow each other with gaps, and a value that each can hold."""
    address, points, values = 0, [], []
    for i in range(draw(st.integers(1, 12))):
        address += draw(st.integers(0, 20))
        kind = draw(st.sampled_from(list(RegisterType)))
        points.append(register(f"p{i}", address, kind, draw))
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


def read(image: dict[int, bytes], blocks: tuple[Block, ...]) -> list[bytes]:
    """What a device with these registers answers; 0xDEAD where it has none."""
    return [
        b"".join(image.get(at, b"\xde\xad") for at in range(block.start, block.start + block.count))
        for block in blocks
    ]


def put(image: dict[int, bytes], point: RegisterPoint, data: bytes) -> None:
    image |= {point.address + i: data[2 * i : 2 * i + 2] for i in range(point.type.words)}


@given(points_with_values(), limits)
def test_what_is_encoded_is_decoded(case, limit):
    points, values = case
    image: dict[int, bytes] = {}
    for point, value in zip(points, values, strict=True):
        put(image, point, b"".join(word.to_bytes(2, "big") for word in encode_value(point, value)))
    blocks = plan_reads(points, limit)
    decoded, quality = ScanDecoder(blocks).decode(read(image, blocks))
    np.testing.assert_array_equal(decoded, values)
    assert not quality.any()


# The far end's own way of putting values together is in simulators.composing; here the two meet.

TELLING = st.sampled_from(
    [
        (None, -4, (1, 7)),  # 10 ** (raw - 4)
        (((0, 1e-5), (1, 0.001), (2, 0.01), (3, 0.1), (4, 1.0), (5, 10.0), (6, 100.0)), 0, (0, 6)),  # DENT
        (((0, 1.0), (7, 0.001)), 0, (7, 7)),
    ]
)
WHOLE = st.sampled_from([RegisterType.I32, RegisterType.U32, RegisterType.MOD10K, RegisterType.U64])
REST = st.sampled_from(
    [(RegisterType.F32, 1.0, 1e-6), (RegisterType.F64, 1.0, 1e-9), (RegisterType.U16, 1e-4, 1e-4)]
)


@st.composite
def composed(draw):
    """Points made of parts, whose factors other registers tell; with the device's registers."""
    points, raws, address = [], {}, 10
    factors = []
    for i in range(draw(st.integers(0, 2))):
        values, shift, choice = draw(TELLING)
        told = register(f"told{i}", 1 + i, draw(st.sampled_from([RegisterType.U16, RegisterType.I16])), draw)
        factors.append(ToldFactor(told, values, shift))
        raws[told.name] = draw(st.integers(*choice))
    for i in range(draw(st.integers(1, 5))):
        kind, (rest, unit, grain) = draw(WHOLE), draw(REST)
        gap, turned = draw(st.integers(0, 3)), draw(st.booleans())
        first, second = (kind, rest) if not turned else (rest, kind)
        at = {first: address, second: address + first.words + gap}
        parts = (register(f"p{i}", at[rest], rest, draw, scale=unit),) if draw(st.booleans()) else ()
        own = tuple(factors[: draw(st.integers(0, 2))])
        scale, offset = draw(st.sampled_from([(1.0, 0.0), (0.1, -45.0), (1e-3, 0.0)]))
        changes = {"scale": scale, "offset": offset, "parts": parts, "factors": own}
        points.append((register(f"p{i}", at[kind], kind, draw, **changes), grain if parts else 1.0))
        address = max(at.values()) + 4 + draw(st.integers(0, 9))
    return points, raws


def image_of(points, raws, values) -> tuple[dict[int, bytes], list[float]]:
    """The device's registers, and what it says itself that they mean."""
    image: dict[int, bytes] = {}
    meant = []
    for point, value in zip(points, values, strict=True):
        laid = laid_out(point, value, raws)
        for place, data in zip(places(point), laid, strict=True):
            put(image, place, data)
        meant.append(put_together(point, laid, raws))
        for factor in point.factors:
            words = encode_value(factor.register, raws[factor.register.name])
            put(image, factor.register, words[0].to_bytes(2, "big"))
    return image, meant


@given(composed(), limits.filter(lambda limit: limit.max_regs >= 12 and limit.max_gap >= 3), st.data())
def test_a_value_of_parts_and_factors_is_put_together_as_the_device_took_it_apart(case, limit, data):
    found, raws = case
    points = [point for point, _ in found]
    raw = [data.draw(st.floats(0, 9e6)) for _ in points]
    worth = [math.prod(factor_worth(factor, raws) for factor in point.factors) for point in points]
    values = [r * w * p.scale + p.offset for r, w, p in zip(raw, worth, points, strict=True)]
    blocks = plan_reads(points, limit)
    image, meant = image_of(points, raws, values)
    decoded, quality = ScanDecoder(blocks).decode(read(image, blocks))
    assert not quality.any()
    assert decoded.tolist() == pytest.approx(meant, rel=1e-12)
    grain = [1.01 * g * w * p.scale for (p, g), w in zip(found, worth, strict=True)]
    assert (np.abs(decoded - values) <= grain + 1e-12 * np.abs(values)).all()


def factor_worth(factor: ToldFactor, raws: dict[str, int]) -> float:
    raw = raws[factor.register.name]
    return 10.0 ** (raw + factor.shift) if factor.values is None else dict(factor.values)[raw]


@given(composed(), st.data())
def test_a_raw_value_that_means_nothing_makes_its_points_missing_and_no_others(case, data):
    found, raws = case
    points = [point for point, _ in found]
    told = sorted({factor.register.name for point in points for factor in point.factors})
    image, _ = image_of(points, raws, [5.0 * p.scale + p.offset for p in points])
    strange = data.draw(st.sampled_from([*told, None]))
    for factor in (factor for point in points for factor in point.factors):
        if factor.register.name == strange:
            image[factor.register.address] = b"\x77\x77"
    blocks = plan_reads(points, Limits())
    values, quality = ScanDecoder(blocks).decode(read(image, blocks))
    for place, point in enumerate(points):
        lost = any(factor.register.name == strange for factor in point.factors)
        assert (quality[place] == Quality.MISSING) == lost == bool(np.isnan(values[place]))


@given(st.one_of(points_with_values(), composed()), limits, st.data())
def test_any_bytes_give_a_value_or_none_and_never_an_error(case, limit, data):
    points = [point if isinstance(point, RegisterPoint) else point[0] for point in case[0]]
    try:
        blocks = plan_reads(points, limit)
    except PlanError:
        blocks = plan_reads(points, Limits())
    payloads = [
        data.draw(
            st.one_of(
                st.binary(min_size=2 * block.count, max_size=2 * block.count),
                st.sampled_from([bytes([0xFF, 0x7F]) * block.count, bytes([0x7F, 0x80]) * block.count]),
                st.binary(max_size=2 * block.count + 3),
                st.none(),
            )
        )
        for block in blocks
    ]
    values, quality = ScanDecoder(blocks).decode(payloads)
    assert values.shape == quality.shape == (len(points),)
    assert (np.isfinite(values) == (quality == Quality.GOOD)).all()
    assert set(quality.tolist()) <= {Quality.GOOD, Quality.MISSING}
    for block, payload in zip(blocks, payloads, strict=True):
        if payload is None or len(payload) != 2 * block.count:
            assert np.isnan(values[list(block.places)]).all()


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


def check_limits(blocks: tuple[Block, ...], limit: Limits) -> None:
    never = {first for first, _ in limit.never_read}
    for block in blocks:
        registers = range(block.start, block.start + block.count)
        assert registers.start >= 0
        assert registers.stop <= 65536
        assert never.isdisjoint(registers)
        assert 1 <= block.count <= limit.max_regs
        assert not (limit.even_count and block.count % 2)
        for point in (*block.points, *block.told):
            for place in places(point):
                assert registers.start <= place.address
                assert place.end <= registers.stop


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
    check_limits(blocks, limit)


@given(points_with_values(), limits)
def test_plans_keep_every_limit_and_miss_no_point(case, limit):
    points, _ = case
    blocks = plan_reads(points, limit)
    assert sorted(place for block in blocks for place in block.places) == list(range(len(points)))
    check_limits(blocks, limit)
    for block in blocks:
        ends = sorted((point.address, point.end) for point in block.points)
        gaps = [b[0] - a[1] for a, b in pairwise(ends)]
        assert all(gap <= limit.max_gap for gap in gaps)


def halved_to_the_end(block: Block, limit: Limits) -> list[Block]:
    halves = split_block(block, limit)
    assert 1 <= len(halves) <= 2
    assert sorted(p for half in halves for p in half.places) == sorted(block.places)
    assert [r for half in halves for r in half.told] == list(block.told)
    check_limits(halves, limit)
    if len(halves) == 1:
        assert halves == (block,)
        return [block]
    return [end for half in halves for end in halved_to_the_end(half, limit)]


@given(st.one_of(crowded(), st.tuples(composed(), st.just(Limits(even_count=True)))))
def test_halving_keeps_every_value_once_and_ends_with_single_ones(case):
    points, limit = case if isinstance(case[0], list) else ([point for point, _ in case[0][0]], case[1])
    try:
        blocks = plan_reads(points, limit)
    except PlanError:
        return
    ends = [end for block in blocks for end in halved_to_the_end(block, limit)]
    assert sorted(place for end in ends for place in end.places) == list(range(len(points)))
    for end in ends:
        assert len({point.span for point in (*end.points, *end.told)}) == 1
