"""Whatever a hand does to a good profile: it can be read, or the problems with it have places."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from config.problems import ConfigurationError, render_all
from config.profiles import FOLDER, ReadProfile, read_profile
from drivers.modbus_profile import ModbusProfile, register_points
from drivers.planner import plan_reads
from drivers.registers import ScanDecoder

NAMES = ["tuf2000_flow", "trane_pic_rthd", "satec_basic16"]
GOOD = {name: YAML(typ="safe").load(FOLDER / f"{name}.yaml") for name in NAMES}
NUMBERS = st.sampled_from([0, 1, -1, 2, 0.1, 1e-320, 1e300, 4.5, 65535, 65536, 2**32, 2**63, 2**64, True])
WORDS = st.sampled_from(
    ["u16", "i32", "f32", "f64", "mod10k", "input", "little", "one_based", "kWh", "x", ""]
)
VALUES = st.one_of(
    NUMBERS,
    st.integers(0, 60),
    NUMBERS | WORDS,
    st.none(),
    st.just([]),
    st.just({}),
    st.lists(NUMBERS, max_size=3),
    st.just({"between": [0, 1], "release": 5}),
    st.just([{"address": 3, "type": "u16"}]),
    st.just([{"told_by": "volume_unit", "values": {0: 1}}]),
)
POINT = [
    "address",
    "type",
    "scale",
    "offset",
    "unit",
    "invalid",
    "plus",
    "factors",
    "writable",
    "rolls_over_at",
]
OTHER = [
    "valid",
    "table",
    "note",
    "max_regs",
    "max_gap",
    "never_read",
    "even_count",
    "told_by",
    "values",
    "shift",
]
KEYS = st.sampled_from([*POINT, *OTHER])


def holders(value: Any) -> list[Any]:
    """Every mapping and list of a document."""
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    inside = [found for child in children for found in holders(child)]
    return [value, *inside] if isinstance(value, dict | list) else inside


def copied(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: copied(child) for key, child in value.items()}
    return [copied(child) for child in value] if isinstance(value, list) else value


def fitting(before: object) -> st.SearchStrategy[Any]:
    """Mostly a value of the same kind, so that it is judged for what it says."""
    if isinstance(before, int | float):
        return st.one_of(st.integers(0, 60), NUMBERS, NUMBERS, VALUES)
    return st.one_of(WORDS, WORDS, VALUES) if isinstance(before, str) else VALUES


@st.composite
def spoilt(draw: st.DrawFn) -> dict[str, Any]:
    """A shipped profile with a few values changed, added or taken away."""
    profile: dict[str, Any] = copied(GOOD[draw(st.sampled_from(NAMES))])
    for _ in range(draw(st.integers(1, 2))):
        points = [point for point in profile["points"].values() if isinstance(point, dict)]
        holder = draw(
            st.sampled_from([found for found in holders(profile) if isinstance(found, dict)] + 3 * points)
        )
        plain = sorted((key for key, value in holder.items() if not isinstance(value, dict)), key=str)
        key = draw(st.one_of(KEYS, st.sampled_from(plain), st.sampled_from(plain)) if plain else KEYS)
        holder[key] = copied(draw(fitting(holder.get(key))))
    return profile


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("profiles")


def read_or_refused(path: Path) -> ReadProfile | ConfigurationError:
    try:
        return read_profile(path)
    except ConfigurationError as error:
        return error


@given(spoilt())
@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
def test_a_spoilt_profile_is_refused_in_words_or_can_be_read(folder, profile):
    path = folder / f"{GOOD['tuf2000_flow']['profile']}.yaml"
    if profile.get("profile") in NAMES:
        profile["profile"] = path.stem
    with path.open("w", encoding="utf-8") as file:
        YAML(typ="safe").dump(profile, file)
    found = read_or_refused(path)
    if isinstance(found, ConfigurationError):
        lines = path.read_text("utf-8").splitlines()
        assert all(1 <= problem.place.line <= len(lines) for problem in found.problems)
        assert all(render_all(found.problems, language) for language in ("en", "zh-TW"))
        return
    assert isinstance(found.profile, ModbusProfile)
    points = register_points(found.profile)
    blocks = plan_reads(points, found.profile.limits)
    values, quality = ScanDecoder(blocks).decode([b"\xa5" * (2 * block.count) for block in blocks])
    assert len(values) == len(quality) == len(points)
