"""A site with the worked examples' quarter hours in its store, and the real command line to ask it."""

import json
import os
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from monitor.store.settlements import SettlementRequest
from tests.baseline_world import FIRST, TAIPEI, table_kw
from tests.import_world import SITE
from tests.servers import run_program

WITH_CONTRACT = SITE + "contract: {capacity_kw: 1200}\n"


def write_intervals(path: Path, kw: np.ndarray) -> None:
    """(days, slots) from ``FIRST`` on as a file to import."""
    rows = ["start,quantity"]
    begin = datetime.combine(FIRST, datetime.min.time(), tzinfo=TAIPEI)
    for at, value in enumerate(kw.reshape(-1).tolist()):
        if not np.isnan(value):
            rows.append(f"{(begin + timedelta(minutes=15 * at)).isoformat()},{value / 4!r}")
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")


def make_site(folder: Path, kw: np.ndarray | None = None, site: str = WITH_CONTRACT) -> Path:
    """A site file in a folder, with a store that holds a summer; imported here: no start to wait for."""
    from monitor.cli.importing import Declared, run_import

    path = folder / "site.yaml"
    path.write_text(site, encoding="utf-8")
    write_intervals(folder / "quarters.csv", table_kw() if kw is None else kw)
    declared = Declared(settings=("values.0.meter=main", "values.0.unit=kWh"))
    assert run_import(path, "intervals", [folder / "quarters.csv"], language="en", declared=declared) == 0
    return path


def run_dr(site: Path, *arguments: object, language: str = "en") -> tuple[int | None, str]:
    """Exit code and words of a ``dr`` command."""
    command = [sys.executable, "-m", "monitor.cli.main", "dr", *map(str, arguments)]
    environment = {"ENERGY_MONITOR_SITE": str(site), "ENERGY_MONITOR_LANGUAGE": language, "COLUMNS": "200"}
    with run_program(command, name="dr", env=environment) as program:
        return program.wait(300), program.output


def run_here(capsys, site: Path, *arguments: object) -> tuple[int, str]:
    """Exit code and words of a ``dr`` command in this process, in its own language: no start to wait for."""
    return run_main(capsys, site, "dr", *arguments)


def run_main(capsys, site: Path, *arguments: object) -> tuple[int, str]:
    """Exit code and words of a command in this process, in its own language."""
    from monitor.cli.main import main

    capsys.readouterr()
    code = 0
    before, sys.argv = sys.argv, ["energy-monitor", *map(str, arguments)]
    os.environ["ENERGY_MONITOR_SITE"] = str(site)
    try:
        main()
    except SystemExit as done:
        code = int(done.code or 0)
    finally:
        sys.argv = before
        del os.environ["ENERGY_MONITOR_SITE"]
    told = capsys.readouterr()
    return code, told.out + told.err


def dr_json(capsys, site: Path, *arguments: object) -> Any:
    """What a ``dr`` command tells programs."""
    code, said = run_here(capsys, site, *arguments, "--json")
    assert code == 0, said
    return json.JSONDecoder().raw_decode(said)[0]  # words of stderr stand behind it


def of_its_own(id_: str) -> SettlementRequest:
    """A settlement as it is handed to the store."""
    facts = {"source": "s", "detail": "{}", "preset": "p", "digest": "0", "meters": "[]", "baseline": "{}"}
    days = {"start_day": "2015-07-01", "end_day": "2015-07-01"}
    seconds = {"start_s": 0, "end_s": 1}
    return SettlementRequest(id_, "own", kwh=3.0, credit="30.00", kw=1.5, at_ms=1, **facts, **days, **seconds)
