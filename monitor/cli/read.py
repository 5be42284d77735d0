"""``energy-monitor read DEVICE``: one reading of one device, now, past daemon and store."""

import asyncio
import json
import math
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

from config.loading import LoadedSite, load_site
from config.problems import did_you_mean
from config.words import say
from drivers.settings import Bus
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
        guess = hint.text(language) if hint else ""
        tell(say("cli.no_such_device", language, device=device, site=path) + guess)
        return 2
    scans = asyncio.run(_read(loaded, devices[device].bus, device))
    for scan in scans:
        Validator(scan.layout).grade(scan)
    if as_json:
        sys.stdout.write(json.dumps([_as_json(scan) for scan in scans], ensure_ascii=False, indent=2) + "\n")
    else:
        for scan in scans:
            Console().print(_as_table(scan, language))
    return 0


async def _read(loaded: LoadedSite, bus: Bus, device: str) -> list[Scan]:
    driver = build_driver(loaded, bus, SystemClock())
    try:
        return await driver.read(device)
    finally:
        await driver.close()


def _as_json(scan: Scan) -> dict[str, object]:
    return {
        "device": scan.layout.device,
        "part": scan.layout.part,
        "at": iso_utc(scan.at_ms),
        "points": {
            point.name: {
                "value": None if math.isnan(value) else float(value),
                "unit": point.unit,
                "quality": Quality(quality).name.lower(),
            }
            for point, value, quality in zip(scan.layout.points, scan.values, scan.quality, strict=True)
        },
    }


def _as_table(scan: Scan, language: str) -> Table:
    title = f"{scan.layout.device}  {iso_utc(scan.at_ms)}"
    table = Table(title=plain(title), title_justify="left", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(say("cli.col_point", language))
    table.add_column(say("cli.col_value", language), justify="right")
    table.add_column(say("cli.col_unit", language))
    table.add_column(say("cli.col_quality", language))
    for point, value, quality in zip(scan.layout.points, scan.values, scan.quality, strict=True):
        shown = "-" if math.isnan(value) else f"{value:,.3f}"
        grade = Quality(quality)
        style = {Quality.GOOD: "", Quality.MISSING: "red"}.get(grade, "yellow")
        word = say(f"cli.quality_{grade.name.lower()}", language)
        table.add_row(point.name, shown, plain(point.unit), word, style=style)
    return table
