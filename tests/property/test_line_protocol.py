"""Whatever a line says reads back to the same numbers, by a reader that was written from the protocol."""

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from monitor.sinks.lines import ScanLine, line
from rules.quantities import QUANTITIES
from rules.scan import Layout, PointSpec, Scan

Parsed = tuple[str, dict[str, str], dict[str, float], int]


def _split(text: str, mark: str) -> list[str]:
    """Split at a mark that no backslash stands before."""
    parts, current, escaped = [], "", False
    for character in text:
        if character == mark and not escaped:
            parts.append(current)
            current = ""
        else:
            current += character
        escaped = character == "\\" and not escaped
    return [*parts, current]


def _plain(text: str) -> str:
    for character in ",= ":
        text = text.replace("\\" + character, character)
    return text


def parse(raw: bytes) -> Parsed:
    """Measurement, tags, fields and time of a line, from the protocol's description alone."""
    text = raw.decode()
    assert "\n" not in text
    series, fields, instant = _split(text, " ")
    measurement, *tags = _split(series, ",")
    pairs = [_split(tag, "=") for tag in tags]
    values = [_split(field, "=") for field in _split(fields, ",")]
    return (
        _plain(measurement),
        {_plain(key): _plain(value) for key, value in pairs},
        {_plain(key): float(value) for key, value in values},
        int(instant),
    )


names = st.text(
    st.characters(exclude_categories=["Cc", "Cs"], exclude_characters="\\"), min_size=1, max_size=20
)
numbers = st.floats(width=64)  # NaN, infinities, subnormals and signed zeros among them
instants = st.integers(-(2**53), 2**53)


def same(left: float, right: float) -> bool:
    return left == right and math.copysign(1, left) == math.copysign(1, right)


@given(
    names.filter(lambda name: not name.startswith("#")),
    st.dictionaries(names, names, max_size=5),
    st.dictionaries(names, numbers, min_size=1, max_size=8),
    instants,
)
def test_any_line_reads_back(measurement, tags, fields, at_ms):
    raw = line(measurement, tags, fields.items(), at_ms)
    finite = {name: value for name, value in fields.items() if math.isfinite(value)}
    if not finite:
        assert raw == b""
        return
    found = parse(raw)
    assert found[:2] == (measurement, tags)
    assert found[3] == at_ms
    assert found[2].keys() == finite.keys()
    assert all(same(found[2][name], value) for name, value in finite.items())


POINTS = list(QUANTITIES)[:30]
LAYOUT = Layout(
    "main", "main", "electricity", tuple(PointSpec(n, QUANTITIES[n].unit, QUANTITIES[n].kind) for n in POINTS)
)
PREPARED = ScanLine("city-hall", LAYOUT)


@given(
    st.lists(numbers, min_size=30, max_size=30),
    st.lists(st.integers(0, 3), min_size=30, max_size=30),
    instants,
)
def test_any_scan_reads_back(values, quality, at_ms):
    raw = PREPARED.render(Scan(LAYOUT, at_ms, np.array(values), np.array(quality, dtype=np.uint8)))
    finite = {
        QUANTITIES[name].field: value
        for name, value in zip(POINTS, values, strict=True)
        if math.isfinite(value)
    }
    if not finite:
        assert raw == b""
        return
    measurement, tags, fields, instant = parse(raw)
    assert (measurement, instant) == ("energy", at_ms)
    assert tags == {"site": "city-hall", "building": "city-hall", "meter": "main"}
    assert fields.pop("quality") == max(quality)
    assert fields.keys() == finite.keys()
    assert all(same(fields[name], value) for name, value in finite.items())
