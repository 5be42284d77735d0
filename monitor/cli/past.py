"""Filling a store with a known past: closed intervals of every meter, and the open one's readings so far.

``python -m monitor.cli.past SITE PAST LANGUAGE`` fills, shows a bar on standard error and prints how many
intervals it wrote.
"""

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import Progress

from config.loading import LoadedSite, load_site
from config.words import say
from monitor.clock import SystemClock
from monitor.pipeline import Meter
from monitor.store.climate import put_hours
from monitor.store.ledgers import WriterEngine, writing
from monitor.store.measured import MEASURED_COLUMNS as COLUMNS
from monitor.store.measured import write_measured
from monitor.store.rows import Commit, Snapshot
from monitor.store.writer import Writer, submit_and_wait
from monitor.wiring import build_drivers, build_meters
from rules.metering import MeterTrack
from rules.quality import Quality

ROWS_A_STEP = 20_000

Arrays = dict[str, NDArray[np.generic]]


def fill_store(site_file: Path, past_file: Path, language: str) -> int:
    """Write a past into the store of a site.

    Parameters
    ----------
    past_file : ``.npz`` with the ``MEASURED_COLUMNS`` of each meter's closed intervals as ``METER/start_s``
        and so on, and ``METER/tail_ms``, ``METER/tail``: the register's readings since the last of them.

    Returns
    -------
    How many intervals were written.
    """
    loaded = load_site(site_file)
    with np.load(past_file) as file:
        arrays: Arrays = {name: file[name] for name in file.files}
    meters = _meters(loaded)
    total = sum(len(arrays[f"{meter.id}/start_s"]) for meter in meters)
    console = Console(stderr=True)
    with (
        writing(loaded.store_path) as engine,
        Progress(console=console, transient=True, disable=not console.is_terminal) as progress,
    ):
        task = progress.add_task(say("demo.filling", language), total=total)
        with engine.begin() as connection:
            seq = 0
            for meter in meters:
                columns = {name: arrays[f"{meter.id}/{name}"].tolist() for name in COLUMNS}
                for first in range(0, len(columns["start_s"]), ROWS_A_STEP):
                    part = {name: column[first : first + ROWS_A_STEP] for name, column in columns.items()}
                    seq = write_measured(connection, loaded.site.site.id, meter.id, part, seq)
                    progress.advance(task, len(part["start_s"]))
        _fill_weather(engine, loaded, arrays)
        writer = Writer(engine, loaded.site.site.id)
        writer.start()
        states = {meter.id: _track(arrays, meter).save() for meter in meters}
        submit_and_wait(writer, Commit(snapshot=Snapshot(0, states, {})))
        writer.close()
    return total


def _fill_weather(engine: WriterEngine, loaded: LoadedSite, arrays: Arrays) -> None:
    """Hours of the site's own station, where the past has them."""
    weather = loaded.site.weather
    for text in (weather.temperature, weather.humidity):
        device, _, point = (text or "").partition(".")
        if text is not None and f"{device}/{point}" in arrays:
            hours, means = arrays[f"{device}/start_s"].tolist(), arrays[f"{device}/{point}"].tolist()
            put_hours(engine, loaded.site.site.id, text, hours, means)


def _meters(loaded: LoadedSite) -> list[Meter]:
    drivers = build_drivers(loaded, SystemClock())
    return build_meters(loaded, [layout for driver in drivers.values() for layout in driver.layouts])


def _track(arrays: Arrays, meter: Meter) -> MeterTrack:
    track = MeterTrack(meter.rules)
    tail = zip(arrays[f"{meter.id}/tail_ms"].tolist(), arrays[f"{meter.id}/tail"].tolist(), strict=True)
    for at_ms, register in tail:
        track.take(at_ms, register, float("nan"), Quality.GOOD)
    return track


if __name__ == "__main__":
    sys.stdout.write(f"{fill_store(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])}\n")
