"""Looking through a range of an unknown device's registers, on explicit request only."""

import asyncio
import re
import struct
import sys
from collections.abc import Mapping

from rich.console import Console
from rich.progress import track
from rich.table import Table as Grid

from config.words import say
from drivers.contract import Refused
from drivers.modbus import ModbusDriver
from drivers.modbus_profile import ModbusProfile, Table
from monitor.cli.dialling import DEVICE, FarEnd, dialled
from monitor.cli.words import plain

CHUNK = 16
"""Registers asked for at once: few, for nobody knows what the device bears."""


def scan_range(text: str) -> tuple[int, int] | None:
    """First and last address of ``0-99``; None when it is no range."""
    found = re.fullmatch(r"(\d{1,5})-(\d{1,5})", text)
    if found is None:
        return None
    first, last = int(found.group(1)), int(found.group(2))
    return (first, last) if first <= last <= 65535 else None


def show_scan(far_end: FarEnd, table: Table, wish: str, language: str) -> None:
    """Read the range and show every register that holds something. Raises ``DriverError``."""
    first, last = scan_range(wish) or (0, 0)
    words, refused = asyncio.run(_scan(far_end, table, first, last, language))
    if words:
        Console().print(_scan_table(words, language))
    sys.stdout.write(say("profiles.scanned", language, found=len(words), count=last - first + 1) + "\n")
    if not words and refused is not None:
        other = Table.INPUT if table is Table.HOLDING else Table.HOLDING
        reason = say(refused.code, language, **refused.data)
        sys.stdout.write(say("profiles.scanned_nothing", language, reason=reason, table=other.value) + "\n")


async def _scan(
    far_end: FarEnd, table: Table, first: int, last: int, language: str
) -> tuple[dict[int, int], Refused | None]:
    """What each register holds, and why the last one was refused. Nothing is written.

    Raises ``DriverError`` when the device does not answer: silence is no sign of a missing register.
    """
    words: dict[int, int] = {}
    refused: Refused | None = None
    starts = range(first, last + 1, CHUNK)
    async with dialled(far_end, _STAND_IN) as driver:
        console = Console(stderr=True)
        for start in track(starts, say("profiles.scanning", language), console=console, transient=True):
            count = min(CHUNK, last + 1 - start)
            refused = await _read(driver, table, start, count, words) or refused
            if start not in words:
                refused = await _read_small(driver, table, start, start + count, last, words) or refused
    return words, refused


async def _read_small(
    driver: ModbusDriver, table: Table, start: int, end: int, last: int, words: dict[int, int]
) -> Refused | None:
    """Each register of [start, end) alone; else with the next one, or the next three.

    Some devices answer for whole values only, or for even counts.
    """
    refused: Refused | None = None
    for address in range(start, end):
        for count in (1, 2, 4):
            if address in words or address + count - 1 > last:
                break
            refused = await _read(driver, table, address, count, words) or refused
    return refused


async def _read(
    driver: ModbusDriver, table: Table, start: int, count: int, words: dict[int, int]
) -> Refused | None:
    try:
        payload = await driver.words(DEVICE, table, start, count)
    except Refused as refused:
        return refused
    words.update((start + at, value) for at, (value,) in enumerate(struct.iter_unpack(">H", payload)))
    return None


# A device must have a profile; this one's point is never read.
_STAND_IN = ModbusProfile.model_validate(
    {
        "profile": "unknown",
        "version": 1,
        "maker": "",
        "model": "",
        "family": "electricity",
        "source": ["-"],
        "points": {"frequency": {"address": 0, "type": "u16", "unit": "Hz"}},
    }
)


def _scan_table(words: Mapping[int, int], language: str) -> Grid:
    """Registers that hold something, with what they would say as each common type."""
    grid = Grid(box=None, pad_edge=False, padding=(0, 1, 0, 0))  # all of it within 80 columns
    for column in ("register", "raw"):
        grid.add_column(say(f"profiles.col_{column}", language))
    for kind in ("u16", "i16", "u32", "f32", "u32 ↔", "f32 ↔"):
        grid.add_column(kind, justify="right")
    for address in sorted(words):
        if words[address] == 0:
            continue
        pair = (words[address], words[address + 1]) if address + 1 in words else None
        cells = [str(words[address]), str(struct.unpack(">h", struct.pack(">H", words[address]))[0])]
        for ordered in (pair, pair and pair[::-1]):
            cells += ["", ""] if ordered is None else _as_pair(ordered)
        grid.add_row(str(address), f"{words[address]:04X}", *(plain(cell) for cell in cells))
    return grid


def _as_pair(pair: tuple[int, int]) -> list[str]:
    data = struct.pack(">HH", *pair)
    (whole,), (real,) = struct.unpack(">I", data), struct.unpack(">f", data)
    likely = 1e-3 <= abs(real) < 1e9
    text = f"{real:.7g}" if abs(real) < 1e7 else f"{real:.0f}"  # a float32 holds no more digits
    return [str(whole), text if likely else "·"]
