"""What the quick reader of JSON takes is what the standard library would have taken, and it takes no less."""

import json

from hypothesis import example, given, settings
from hypothesis import strategies as st

from drivers.payload_json import MAX_DEPTH, parse
from drivers.refusals import PayloadRefused

numbers = st.from_regex(r"-?(0|[1-9][0-9]{0,30})(\.[0-9]{1,25})?([eE][+-]?[0-9]{1,3})?", fullmatch=True)
strings = st.text(max_size=8).map(json.dumps) | st.sampled_from(
    [r'"\ud800"', r'"\ud83d\ude00"', r'"\/"', '"\x7f"', '"é"', '"\t"', r'"\u0000"', '"NaN"']
)
scalars = (
    numbers | strings | st.sampled_from(["true", "null", "NaN", "-Infinity", "Infinity", "nan", "01", "1."])
)
gaps = st.sampled_from(["", " ", "\n\t", "\xa0", "\ufeff", ","])


@st.composite
def texts(draw):
    """JSON, nearly JSON, and JSON with something around it."""
    whole = draw(
        st.recursive(
            scalars,
            lambda inner: (
                st.lists(inner, max_size=3).map(lambda found: f"[{','.join(found)}]")
                | st.lists(st.tuples(strings, inner), max_size=3).map(
                    lambda pairs: "{" + ",".join(f"{key}:{value}" for key, value in pairs) + "}"
                )
            ),
            max_leaves=8,
        )
    )
    return (draw(gaps) + whole + draw(gaps)).encode("utf-8", "surrogatepass")


@st.composite
def damaged(draw):
    """The same with some of its bytes changed."""
    data = bytearray(draw(texts()))
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.integers(0, len(data)))
        data[place : place + draw(st.integers(0, 1))] = draw(st.binary(max_size=2))
    return bytes(data)


def by_the_library(payload):
    """The content as the standard library tells it; None where it is refused."""
    try:
        return repr(json.JSONDecoder(parse_constant=str).decode(payload.decode("utf-8").strip()))
    except ValueError:
        return None


@given(texts() | damaged() | st.binary(max_size=12))
@settings(max_examples=400)
@example(b'{"a":1e999,"a":-0,"b":-0.0}')
@example(b"[" + b"9" * 5000 + b"]")
@example(b"[123456789012345678901234567890, 0.1e-400, 5e-324, 1.7976931348623159e308]")
@example(b'"\xed\xa0\x80"')
@example(b'"\xc3\x28"')
@example(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH)
def test_the_content_is_what_the_standard_library_finds(payload):
    try:
        found = repr(parse(payload, is_json=True))
    except PayloadRefused:
        found = None
    assert found == by_the_library(payload)
