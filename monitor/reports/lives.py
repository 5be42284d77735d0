"""What happened to the registers behind a figure: records that people wrote down, and new factors."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from config.counters import counter_limits
from config.site import MeterSettings, Site
from monitor.adjusted.replaced import registers_of
from monitor.store.reader import StoreReader
from rules.calendar import BaselinePeriod, ReportingPeriod

Fact = tuple[int, str, Mapping[str, Any]]
"""When (ms), the code of its text, what the text is filled with."""


def life_facts(
    reader: StoreReader, site: Site, metered: Sequence[str], period: ReportingPeriod | BaselinePeriod
) -> Iterator[Fact]:
    """What was written down about the meters behind a figure and fell into its period, meter by meter.

    Parameters
    ----------
    metered : meters whose intervals make the figure; a formula stands for the registers that it is over.
    """
    zone = ZoneInfo(site.site.timezone)
    begin_s, end_s = period.bounds_s(zone)
    settings = {meter.id: meter for meter in site.meters}
    for meter in registers_of(site, metered):
        facts = [*_records(reader, meter), *_factors(settings[meter])]
        for at_ms, code, data in sorted(facts, key=lambda fact: fact[0]):
            if 1000 * begin_s <= at_ms < 1000 * end_s:
                local = datetime.fromtimestamp(at_ms / 1000, zone)
                yield at_ms, code, {**data, "subject": meter, "at": local}


def _records(reader: StoreReader, meter: str) -> Iterator[Fact]:
    for one in reader.past.records(meter):
        if one.counts:
            yield one.at_ms, "report.note_replaced", {"record": one}


def _factors(meter: MeterSettings) -> Iterator[Fact]:
    before = counter_limits(meter, None).factors.first
    for change in meter.changes:
        at_ms = round(change.at.timestamp() * 1000)
        figures = {"old": f"{before:g}", "new": f"{change.factor:g}"}
        yield at_ms, "report.note_factor", {**figures, "reason": change.reason.rstrip(".。")}
        before = change.factor
