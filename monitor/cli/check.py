"""``energy-monitor check``: is the site file right, and, on request, does every device answer as it says?"""

import asyncio
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from config.loading import LoadedSite, load_site
from config.problems import render_all
from config.words import say
from drivers.contract import Driver, DriverError
from monitor.cli.dr_limiter import limiter_watches
from monitor.cli.words import colourful, plain, tell
from monitor.clock import SystemClock
from monitor.wiring import build_drivers

PROBE_TOTAL_S = 45.0
"""No device holds the whole check up for longer."""


@dataclass(frozen=True, slots=True)
class _Answer:
    device: str
    ok: bool
    text: str
    of_sink: bool = False


def run_check(path: Path, language: str, *, probe: bool, as_json: bool) -> int:
    """Check offline; with ``probe`` dial every device. Raises ConfigurationError for a wrong file."""
    loaded = load_site(path, checked_at_s=SystemClock().now_ms() / 1000)
    if loaded.warnings:
        tell(render_all(loaded.warnings, language, colour=colourful()))
    watches = limiter_watches(loaded, language)
    if watches:
        tell(watches)
    answers = asyncio.run(_probe_everything(loaded, language)) if probe else []
    failed = sum(not answer.ok for answer in answers)
    site = loaded.site
    facts = {
        "site": site.site.id,
        "buses": len(site.buses),
        "devices": sum(len(bus.devices) for bus in site.buses),
        "meters": len(site.meters),
        "sinks": len(site.sinks),
    }
    if as_json:
        probes = [{"device": a.device, "ok": a.ok, "text": a.text} for a in answers]
        warnings = [p.message(language) for p in loaded.warnings] + ([watches] if watches else [])
        body = {**facts, "warnings": warnings, "probes": probes}
        sys.stdout.write(json.dumps(body, ensure_ascii=False, indent=2) + "\n")
        return 1 if failed else 0
    sys.stdout.write(say("cli.check_fine", language, file=path, **facts) + "\n")
    if probe:
        Console().print(_table(answers, language))
        for line in _summary(answers, language):
            sys.stdout.write(line + "\n")
    return 1 if failed else 0


def _summary(answers: list[_Answer], language: str) -> Iterator[str]:
    """Devices and sinks each in a sentence of their own; none about sinks where there are none."""
    for code, of_sink in (("cli.probe", False), ("cli.sinks", True)):
        asked = [answer for answer in answers if answer.of_sink == of_sink]
        failed = sum(not answer.ok for answer in asked)
        if asked:
            yield say(f"{code}_{'failed' if failed else 'fine'}", language, failed=failed, count=len(asked))


async def _probe_everything(loaded: LoadedSite, language: str) -> list[_Answer]:
    devices, sinks = await asyncio.gather(_probe_all(loaded, language), _probe_sinks(loaded, language))
    return devices + sinks


async def _probe_sinks(loaded: LoadedSite, language: str) -> list[_Answer]:
    from monitor.sinks.delivery import check_far_end
    from monitor.sinks.making import maker_of

    checks = [check_far_end(maker_of(settings, loaded, SystemClock())) for settings in loaded.site.sinks]
    return [
        _Answer(result.sink, result.ok, say(result.code, language, **result.data), of_sink=True)
        for result in await asyncio.gather(*checks)
    ]


async def _probe_all(loaded: LoadedSite, language: str) -> list[_Answer]:
    drivers = build_drivers(loaded, SystemClock())
    try:
        return [
            answer
            for answers in await asyncio.gather(
                *(
                    _probe_bus(drivers[bus.id], [device.id for device in bus.devices], language)
                    for bus in loaded.site.buses
                )
            )
            for answer in answers
        ]
    finally:
        for driver in drivers.values():
            await driver.close()


async def _probe_bus(driver: Driver, devices: list[str], language: str) -> list[_Answer]:
    """In turn on one bus, for a gateway answers one question at a time."""
    return [await _probe(driver, device, language) for device in devices]


async def _probe(driver: Driver, device: str, language: str) -> _Answer:
    try:
        async with asyncio.timeout(PROBE_TOTAL_S):
            result = await driver.probe(device)
    except DriverError as error:
        return _Answer(device, False, say(error.code, language, **error.data))
    except TimeoutError:
        return _Answer(device, False, say("cli.probe_timeout", language, seconds=f"{PROBE_TOTAL_S:g}"))
    code = "cli.probe_fits" if result.fits else "cli.probe_misfit"
    raw = " ".join(f"{word:04X}" for word in result.raw) or "-"
    text = say(code, language, expected=result.expected, found=result.found, raw=raw)
    return _Answer(device, result.fits, text)


def _table(answers: list[_Answer], language: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("")
    table.add_column(say("cli.col_device", language))
    table.add_column(say("cli.col_answer", language), overflow="fold")
    for answer in answers:
        mark = "[green]✓[/green]" if answer.ok else "[red]✗[/red]"
        table.add_row(mark, plain(answer.device), plain(answer.text))
    return table
