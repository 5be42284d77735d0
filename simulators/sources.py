"""What each id in a site file measures in the model: known names, and a load of its own for any other."""

import hashlib
import re
from dataclasses import dataclass

from simulators.plant import CHILLERS

ELECTRICITY = (
    *(f"chiller-{number}-power" for number in range(1, CHILLERS + 1)),
    "pumps",
    "towers",
    "floors-low",
    "floors-mid",
    "floors-high",
    "base",
)
WATER = ("water-people", "tower-makeup", "water-leak")
INTEGRATED = (*ELECTRICITY, *WATER, "rainwater", "rain")  # what has a counter

_CHILLER = re.compile(r"chiller-?0*([1-9])(?!\d)")


@dataclass(frozen=True, slots=True)
class Source:
    """A weighted sum of the model's columns: (column, weight) each."""

    parts: tuple[tuple[str, float], ...]


def _sum_of(*names: str) -> Source:
    return Source(tuple((name, 1.0) for name in names))


_GROUPS = {
    "main": _sum_of(*ELECTRICITY),
    "chillers": _sum_of(*ELECTRICITY[:CHILLERS]),
    "plant": _sum_of(*ELECTRICITY[: CHILLERS + 2]),
    "floors": _sum_of("floors-low", "floors-mid", "floors-high"),
    "water-main": _sum_of(*WATER),
}


def chance(*words: object) -> float:
    """A number in [0, 1) that belongs to these words for ever."""
    digest = hashlib.blake2b("\0".join(map(str, words)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2.0**64


def chiller_number(device_id: str, seed: int) -> int:
    """Which of the plant's chillers, from 1, a controller belongs to."""
    named = _CHILLER.search(device_id)
    if named and int(named[1]) <= CHILLERS:
        return int(named[1])
    return 1 + int(chance(seed, device_id) * CHILLERS)


def source_of(source_id: str, family: str, seed: int) -> Source:
    """What an id measures.

    Parameters
    ----------
    source_id : id of a device or meter in the site file.
    family : of the profile: what kind of load an unknown id gets, and what
        ``chiller-1`` means (for an electricity meter, its power).
    """
    if source_id in _GROUPS:
        return _GROUPS[source_id]
    if source_id in INTEGRATED:
        return _sum_of(source_id)
    if family == "weather":
        return _sum_of("rain")
    if family == "chiller" or (family == "electricity" and _CHILLER.fullmatch(source_id)):
        return _sum_of(f"chiller-{chiller_number(source_id, seed)}-power")
    if family in ("water", "heat", "pulse"):
        return Source(
            (("water-people", 0.01 + 0.09 * chance(seed, source_id, "people")), ("water-leak", 0.01))
        )
    return Source(
        (
            ("floors-low", 0.04 * chance(seed, source_id, "low")),
            ("floors-mid", 0.002 + 0.04 * chance(seed, source_id, "mid")),
            ("base", 0.001 + 0.03 * chance(seed, source_id, "base")),
        )
    )
