"""``energy-monitor read DEVICE``: one reading of one device, now, past daemon and store."""

import asyncio
import json
import math
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

from config.loading import LoadedSite, PlacedDevice, load_site
from config.problems import did_you_mean, hinted
from config.words import say
from monitor.cli.read_doubts import Told, doubts_of
from monitor.cli.words import plain, tell
from monitor.clock import SystemClock
from monitor.timestamps import iso_utc
from monitor.wiring import build_driver
from rules.quality import Quality
from rules.scan import Scan
from rules.validation import Validator


def run_read(path: Path, device: str, language: str, *, as_json: bool = False) -> int:
    """Read and show. Exit code 1 when the device cannot be read, 2 when there is no such device."""
    loaded = load_site(path)
    devices = loaded.placed()
    if device not in devices:
        hint = did_you_mean(device, devices)
        tell(hinted(say("cli.no_such_device", language, device=device, site=path), hint, language))
        return 2
    found = asyncio.run(_read(loaded, devices[device]))
    if as_json:
        told = [_as_json(scan, doubts, language) for scan, doubts in found]
        sys.stdout.write(json.dumps(told, ensure_ascii=False, indent=2) + "\n")
    else:
        for scan, doubts in found:
            Console().print(_as_table(scan, doubts, language))
    return 0


async def _read(loaded: LoadedSite, device: PlacedDevice) -> list[tuple[Scan, dict[str, Told]]]:
    """Every part of the device, graded, with why points of it are not good."""
    driver = build_driver(loaded, device.bus, SystemClock())
    try:
        scans = await driver.read(device.settings.id)
        for scan in scans:
            Validator(scan.layout).grade(scan)
        return [(scan, await doubts_of(driver, device, scan)) for scan in scans]
    finally:
        await driver.close()


def _as_json(scan: Scan, doubts: dict[str, Told], language: str) -> dict[str, object]:
    return {
        "device": scan.layout.device,
        "part": scan.layout.part,
        "at": iso_utc(scan.at_ms),
        "points": {
            point.name: {
                "value": None if math.isnan(value) else float(value),
                "unit": point.unit,
                "quality": Quality(quality).name.lower(),
                **_why(doubts.get(point.name), language),
            }
            for point, value, quality in zip(scan.layout.points, scan.values, scan.quality, strict=True)
        },
    }


def _why(told: Told | None, language: str) -> dict[str, object]:
    return {} if told is None else {"why": {"code": told.code, **told.data, "text": told.words(language)}}


def _as_table(scan: Scan, doubts: dict[str, Told], language: str) -> Table:
    title = f"{scan.layout.device}  {iso_utc(scan.at_ms)}"
    table = Table(title=plain(title), title_justify="left", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(say("cli.col_point", language))
    table.add_column(say("cli.col_value", language), justify="right")
    table.add_column(say("cli.col_unit", language))
    table.add_column(say("cli.col_quality", language))
    if doubts:
        table.add_column(say("cli.col_why", language), overflow="fold")
    for point, value, quality in zip(scan.layout.points, scan.values, scan.quality, strict=True):
        shown = "-" if math.isnan(value) else f"{value:,.3f}"
        grade = Quality(quality)
        style = {Quality.GOOD: "", Quality.MISSING: "red"}.get(grade, "yellow")
        word = say(f"cli.quality_{grade.name.lower()}", language)
        why = [plain(doubts[point.name].words(language)) if point.name in doubts else ""] if doubts else []
        table.add_row(point.name, shown, plain(point.unit), word, *why, style=style)
    return table
