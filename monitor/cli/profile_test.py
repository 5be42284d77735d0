"""``energy-monitor profiles test FILE --host H``: a device read by a profile, raw words beside values."""

import asyncio
import json
import math
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table as Grid
from rich.text import Text

from config.profiles import load_profile
from config.words import say
from drivers.contract import Refused
from drivers.guesses import Guess, Way, Words, better_way, guesses, unlikely
from drivers.modbus import ModbusDriver
from drivers.modbus_profile import Limits, ModbusProfile, RegisterPoint, Table, register_points
from drivers.planner import plan_reads
from monitor.cli.dialling import DEVICE, FarEnd, dialled
from monitor.cli.words import plain, tell
from rules.scan import PointSpec

WIDE = 150
"""Columns of a terminal that show every way of reading beside each other."""


def run_test(name: str, far_end: FarEnd, language: str, *, as_json: bool = False) -> int:
    """Read and show. 1 when anything speaks against the profile, 2 for one of messages."""
    profile = load_profile(name, Path())
    if not isinstance(profile, ModbusProfile):
        tell(say("profiles.test_wants_modbus", language, profile=name))
        return 2
    points, limits = register_points(profile), profile.limits
    words = asyncio.run(_words_of(profile, points, limits, far_end))
    specs = [profile.points[point.name].spec(point.name) for point in points]
    found = guesses(points, specs, words)
    doubts = _doubts(profile, points, specs, words, found, language)
    if as_json:
        facts = _as_json(points, words, found, doubts)
        sys.stdout.write(json.dumps(facts, ensure_ascii=False, indent=2) + "\n")
    else:
        console = Console()
        console.print(_table(points, specs, words, found, language, console.width))
        for line in doubts or [say("profiles.test_fine", language, count=len(points))]:
            sys.stdout.write(line + "\n")
        sys.stdout.write(say("profiles.test_compare", language) + "\n")
    return 1 if doubts else 0


async def _words_of(
    profile: ModbusProfile, points: Sequence[RegisterPoint], limits: Limits, far_end: FarEnd
) -> dict[tuple[Table, int], int]:
    """The registers of all points, and one more on either side of each block where the device gives it.

    Each neighbour is asked for alone: one that the device does not have must not cost the other. A device
    that gives whole values only is asked for the block one lower and one higher.
    """
    words: dict[tuple[Table, int], int] = {}
    async with dialled(far_end, profile) as driver:
        for block in plan_reads(points, limits):
            if not await _ask(driver, block.table, block.start, block.count, words):
                for point in block.points:
                    first, end = point.span
                    await _ask(driver, point.table, first, end - first, words)
            count = 2 if limits.even_count else 1
            for first, shifted in (
                (block.start - count, block.start - 1),
                (block.start + block.count, block.start + 1),
            ):
                for start, wanted in ((first, count), (shifted, block.count)):
                    if _may_be_read(start, wanted, limits) and await _ask(
                        driver, block.table, start, wanted, words
                    ):
                        break
    return words


def _may_be_read(first: int, count: int, limits: Limits) -> bool:
    return 0 <= first <= 65536 - count and not _forbidden(first, count, limits)


def _forbidden(first: int, count: int, limits: Limits) -> bool:
    return any(first <= last and first + count > start for start, last in limits.never_read)


async def _ask(
    driver: ModbusDriver, table: Table, start: int, count: int, words: dict[tuple[Table, int], int]
) -> bool:
    """Read a range into ``words``; False when the device refuses it."""
    try:
        payload = await driver.words(DEVICE, table, start, count)
    except Refused:
        return False
    for at in range(count):
        words[table, start + at] = int.from_bytes(payload[2 * at : 2 * at + 2], "big")
    return True


def _raw(point: RegisterPoint, words: Words) -> list[int | None]:
    return [words.get((point.table, address)) for address in range(*point.span)]


def _hex(point: RegisterPoint, words: Words) -> str:
    return " ".join("----" if word is None else f"{word:04X}" for word in _raw(point, words))


def _as_json(
    points: Sequence[RegisterPoint], words: Words, found: Sequence[Guess], doubts: Sequence[str]
) -> dict[str, object]:
    better = better_way(found)
    return {
        "better": None if better is None else better.way.value,
        "doubts": list(doubts),
        "points": {
            point.name: {
                "table": point.table.value,
                "address": point.address,
                "type": point.type.value,
                "raw": _raw(point, words),
                **{guess.way.value: _number(guess.values[place]) for guess in found},
            }
            for place, point in enumerate(points)
        },
    }


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _table(
    points: Sequence[RegisterPoint],
    specs: Sequence[PointSpec],
    words: Words,
    found: Sequence[Guess],
    language: str,
    width: int,
) -> Grid:
    grid = Grid(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    if width < WIDE:  # the profile's own way, and the one that fits better
        found = [guess for guess in found if guess in (found[0], better_way(found))]
    for column in ("point", "register", "raw"):
        grid.add_column(say(f"profiles.col_{column}", language), no_wrap=True)
    for guess in found:
        grid.add_column(say(f"profiles.way_{guess.way.value}", language), justify="right", no_wrap=True)
        if guess.way is Way.AS_SAID:
            grid.add_column(say("profiles.col_unit", language), no_wrap=True, min_width=4)
    for place, (point, spec) in enumerate(zip(points, specs, strict=True)):
        own, *others = found
        cells = [_cell(own, place, spec), plain(spec.unit), *(_cell(guess, place, spec) for guess in others)]
        register = f"{point.table.value} {point.address} {point.type.value}"
        grid.add_row(point.name, register, _hex(point, words), *cells)
    return grid


def _cell(guess: Guess, place: int, spec: PointSpec) -> Text:
    """The value: bold where it convinces, dim where it is nothing, red where it cannot be."""
    value = float(guess.values[place])
    if math.isnan(value):
        return Text("-", style="dim")
    text = f"{value:,.2f}" if 0.005 <= abs(value) < 1e7 or value == 0 else f"{value:.3g}"
    own = guess.way is Way.AS_SAID
    if guess.convincing[place]:
        return Text(text, style="bold" if own else "")
    impossible = not spec.low <= value <= spec.high
    return Text(text, style="red" if own and impossible else "dim")


def _doubts(
    profile: ModbusProfile,
    points: Sequence[RegisterPoint],
    specs: Sequence[PointSpec],
    words: Words,
    found: Sequence[Guess],
    language: str,
) -> list[str]:
    """What speaks against the profile, in sentences; nothing where all is well."""
    own = found[0]
    refused = [point.name for point in points if None in _raw(point, words)]
    odd = [spec.name for spec, is_odd in zip(specs, unlikely(own.values, specs), strict=True) if is_odd]
    lines = []
    if refused:
        lines.append(say("profiles.test_refused", language, points=", ".join(refused)))
    lines += _doubt_of_probe(profile, specs, own, language)
    if odd:
        lines.append(say("profiles.test_odd", language, points=", ".join(odd)))
    better = better_way(found)
    if better is not None:
        data = {
            "own": int(own.convincing.sum()),
            "better": int(better.convincing.sum()),
            "count": len(points),
        }
        lines.append(say(f"profiles.better_{better.way.value}", language, **data))
    return lines


def _doubt_of_probe(
    profile: ModbusProfile, specs: Sequence[PointSpec], own: Guess, language: str
) -> list[str]:
    """The probe was chosen because a wrong profile cannot pass it."""
    if profile.probe is None:
        return []
    values = {spec.name: float(value) for spec, value in zip(specs, own.values, strict=True)}
    value, (low, high) = values[profile.probe.point], profile.probe.between
    if math.isnan(value) or low <= value <= high:  # what was not read is told as refused
        return []
    data = {"point": profile.probe.point, "value": f"{value:g}", "low": f"{low:g}", "high": f"{high:g}"}
    return [say("profiles.test_probe", language, **data)]
