"""A site with a tariff, and a store with the intervals of some months: what bills and demands are made of."""

from datetime import date, timedelta

import numpy as np

from config.loading import load_site
from monitor.store.database import open_writer
from monitor.store.rows import Commit, IntervalRow
from monitor.store.writer import Writer, submit_and_wait
from rules.calendar import day_start_s
from rules.intervals import Interval
from tests.site_example import changed
from tests.tariff_world import TAIPEI

CONTRACT = "contract: {capacity_kw: 500}"
TARIFF = "tariff: {plans: [{name: taipower-hv-three-stage}]}"
STORE = "\nstore: {path: energy.db}\n"


def write_site(folder, tariff=TARIFF, contract=CONTRACT, more=""):
    text = changed(CONTRACT, f"{contract}\n{tariff}") + STORE + more
    (folder / "site.yaml").write_text(text, encoding="utf-8")
    return folder / "site.yaml"


def day_kw(hour, day):
    """A building's power: low at night, high in the afternoon, less on Sundays."""
    level = 120 + 300 * max(0.0, np.sin(np.pi * (hour - 6) / 14)) if 6 <= hour <= 20 else 120.0
    return level * (0.6 if day.isoweekday() == 7 else 1.0)


def months_of(first, last, power=day_kw):
    """(start_s, kWh) of each quarter of an hour of some days."""
    start_s, end_s = day_start_s(first, TAIPEI), day_start_s(last + timedelta(days=1), TAIPEI)
    rows = []
    for at_s in range(start_s, end_s, 900):
        local = at_s + 8 * 3600
        day = date(1970, 1, 1) + timedelta(days=local // 86_400)
        rows.append((at_s, power(local % 86_400 / 3600, day) / 4))
    return rows


def fill(site, rows, meter="building", **doubts):
    """Write intervals into the site's store; ``doubts`` are fields of ``Interval``."""
    loaded = load_site(site)
    engine = open_writer(loaded.store_path)
    writer = Writer(engine, loaded.site.site.id)
    writer.start()
    register = 1000.0
    made = []
    for start_s, kwh in rows:
        facts = {
            "start_s": start_s, "duration_s": 900, "quantity": kwh, "coverage": 1.0, "quality": 0,
            "rate_avg": kwh * 4, "rate_max": kwh * 4, "rate_min": kwh * 4, "caught_up": False,
            "register_start": register, "register_end": register + kwh, "epoch": 0,
        }  # fmt: skip
        register += kwh
        made.append(IntervalRow(meter, Interval(**(facts | doubts))))
    for first in range(0, len(made), 5000):
        assert submit_and_wait(writer, Commit(intervals=made[first : first + 5000]), 60)
    assert writer.close()
    engine.dispose()
    return loaded
