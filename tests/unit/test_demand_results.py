"""The contract that is told with each demand window: that of the window's own period and day."""

from datetime import datetime

import pytest

from config.loading import load_site
from monitor.demand.limits import Limits
from monitor.reports.results import SiteResults
from monitor.store.database import open_writer
from monitor.store.reader import StoreReader
from monitor.store.rows import Commit, IntervalRow
from monitor.store.writer import Writer, submit_and_wait
from rules.intervals import Interval
from tests.billed_site import TARIFF, write_site
from tests.tariff_world import TAIPEI

CHANGE = "{from: 2025-10-15, capacity_kw: 300}"
CONTRACT = f"contract: {{capacity_kw: 500, off_peak_kw: 60, half_peak_kw: 20, changes: [{CHANGE}]}}"


def second(text):
    return int(datetime.fromisoformat(text).replace(tzinfo=TAIPEI).timestamp())


@pytest.mark.parametrize(
    ("contract", "told"),
    [
        (CONTRACT, [(520, 120), (500, 100), (300, -100)]),
        ("contract: {capacity_kw: 450}", [(450, 50), (450, 50), (450, 50)]),
        ("", [(None, None)] * 3),
    ],
)
def test_each_window_is_told_with_the_contract_of_its_period(tmp_path, contract, told):
    loaded = load_site(write_site(tmp_path, TARIFF, contract))
    engine = open_writer(loaded.store_path)
    writer = Writer(engine, loaded.site.site.id)
    writer.start()
    reader = StoreReader.open(loaded.store_path, loaded.site.site.id)
    starts = [second(at) for at in ("2025-10-14T15:45", "2025-10-14T16:00", "2025-10-15T16:00")]
    rows = [
        IntervalRow("building", Interval(at, 900, 100.0, 1.0, 0, 400.0, 400.0, 400.0, False, 0.0, 100.0, 0))
        for at in starts
    ]
    try:
        assert submit_and_wait(writer, Commit(intervals=rows[:1]))
        results, found = SiteResults(loaded.site, reader, Limits(loaded)), []
        for at, row in zip(starts, rows, strict=True):
            assert submit_and_wait(writer, Commit(intervals=[row]))
            due = [one for one in results.due(at + 900) if one.kind == "demand"]
            assert submit_and_wait(writer, Commit(results=due))
            found += due
    finally:
        writer.close()
        reader.close()
        engine.dispose()
    assert [one.at_s for one in found] == starts
    assert [(one.data.get("contract_kw"), one.data.get("headroom_kw")) for one in found] == told
