"""``python -m simulators.year``: a year of a site's electricity from the model of the building, as one file.

The product reads it as it would read anybody's: it never imports this package.
"""

import argparse
import sys
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np

from config.loading import LoadedSite, load_site
from config.meter_checks import formulas_of
from config.problems import ConfigurationError, render_all
from config.site import Commodity
from config.words import preferred_language, say
from rules.formulas import over_registers
from simulators.building import Building
from simulators.grid import Floats

STEP_S = 60


def year_kw(loaded: LoadedSite, model: Building, year: int) -> tuple[int, Floats]:
    """Start of a local year, seconds UTC, and mean power of each minute in it. [kW]

    Where the site does not say which meters add up to its electricity, all of the building.

    Raises
    ------
    ValueError : the model's meters were not installed yet.
    """
    zone = ZoneInfo(loaded.site.site.timezone)
    first, last = (int(datetime(y, 1, 1, tzinfo=zone).timestamp()) for y in (year, year + 1))
    edges_s = np.arange(first, last + 1, STEP_S, dtype=np.int64)
    settings = loaded.site.commodities.get(Commodity.ELECTRICITY)
    shares: dict[str, float] = {}
    formulas = formulas_of(loaded.site)
    for meter in settings.meters if settings is not None else ():
        for register, share in over_registers(formulas, meter).items():
            shares[register] = shares.get(register, 0.0) + share
    placed = loaded.placed()
    counters = {meter.id: meter.counter.partition(".")[0] for meter in loaded.site.meters}
    total = np.zeros(len(edges_s) - 1)
    for register, share in shares.items():
        device = counters[register]
        source = model.source(device, placed[device].profile.family)
        total += share * np.diff(model.counter(source, edges_s))
    if not shares:
        total = np.diff(model.counter(model.source("main"), edges_s))
    return first, total * (3600 / STEP_S)


def main() -> int:
    """Write ``start_s``, ``step_s`` and ``kw`` into a file of arrays."""
    language = preferred_language()
    parser = argparse.ArgumentParser(
        prog="python -m simulators.year", description=say("limiter.model", language)
    )
    parser.add_argument("site", type=Path)
    parser.add_argument("year", type=int)
    parser.add_argument("out", type=Path)
    wishes = parser.parse_args()
    try:
        start_s, kw = year_kw(load_site(wishes.site), Building(), wishes.year)
    except ConfigurationError as error:
        sys.stderr.write(render_all(error.problems, language) + "\n")
        return 2
    except ValueError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    np.savez(wishes.out, start_s=np.int64(start_s), step_s=np.int64(STEP_S), kw=kw)
    return 0


if __name__ == "__main__":
    sys.exit(main())
