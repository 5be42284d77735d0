"""Registers that were replaced or reset in the middle of what is compared: a step that may be no saving."""

from collections.abc import Iterable, Iterator, Sequence
from zoneinfo import ZoneInfo

from config.meter_checks import formulas_of
from config.site import Site
from monitor.adjusted.climate import span_s
from monitor.store.past import MeterRecord
from monitor.store.reader import StoreReader
from monitor.timestamps import local_text
from rules.formulas import over_registers
from rules.models.findings import ModelFinding, remark
from rules.savings import Days


def registers_of(site: Site, metered: Sequence[str]) -> tuple[str, ...]:
    """The registers behind some meters; a formula stands for those that it is over."""
    formulas = formulas_of(site)
    parts = [over_registers(formulas, meter) if meter in formulas else (meter,) for meter in metered]
    return tuple(dict.fromkeys(register for some in parts for register in some))


def replaced_within(
    reader: StoreReader, registers: Iterable[str], days: Days, zone: ZoneInfo
) -> Iterator[MeterRecord]:
    """The records of replaced registers that count and fell into some days, both included."""
    begin_s, end_s = span_s(*days, zone)
    for register in registers:
        for one in reader.past.records(register):
            if one.counts and 1000 * begin_s <= one.at_ms < 1000 * end_s:
                yield one


def record_facts(record: MeterRecord, zone: ZoneInfo) -> dict[str, str]:
    """What fills the words of a finding; ``?`` for a figure that nobody read."""
    displays = {"old": record.old_final, "new": record.new_start}
    told = {name: "?" if shown is None else f"{shown:,.15g}" for name, shown in displays.items()}
    return {"meter": record.meter, "at": local_text(record.at_ms, zone), **told, "reason": record.reason}


def replaced_findings(
    reader: StoreReader, registers: Sequence[str], spans: Iterable[Days], zone: ZoneInfo
) -> tuple[ModelFinding, ...]:
    """A finding for each register that was replaced within some spans of days; none is told twice."""
    records = [one for days in spans for one in replaced_within(reader, registers, days, zone)]
    found = [remark("meter_replaced", **record_facts(one, zone)) for one in records]
    return tuple(dict.fromkeys(found))
