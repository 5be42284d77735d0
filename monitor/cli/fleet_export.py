"""``export`` with ``--store postgresql://...``: a city's rows, site after site in one sheet."""

from collections.abc import Iterator, Mapping, Sequence
from zoneinfo import ZoneInfo

from config.words import say
from monitor.cli.export import Wanted, format_of, write_sheet, wrong_out
from monitor.cli.words import WRONG_USE, tell
from monitor.exports.intervals import interval_sheet
from monitor.exports.scans import fields_of, scan_sheet
from monitor.exports.sheets import Block, Sheet
from monitor.store.city_days import ZONE
from monitor.store.city_reader import CityReader, in_words
from monitor.store.streams import Span
from rules.calendar import PeriodError, reporting_period


def run_city_export(url: str, site: str | None, wanted: Wanted, language: str) -> int:
    """Write the file, or CSV to standard output; exit code as ``run_export``'s.

    Units stand in site files, so a figure's column is ``quantity``; each site's period is that of its zone.
    """
    format_ = format_of(wanted)
    if (wrong := wrong_out(wanted, format_, language)) is not None:
        return _wrong(wrong)
    reader = CityReader(url)
    if site is not None:
        reader.check_site(site)
    zones = reader.zones(site)
    try:
        spans = {one: Span(*reporting_period(wanted.period).bounds_s(ZoneInfo(zones[one]))) for one in zones}
    except PeriodError as error:
        return _wrong(say(error.code, language, **error.data))
    zone = ZoneInfo(zones[site] if site is not None else ZONE)
    with in_words():
        return write_sheet(_together(_sheets(reader, spans, wanted)), wanted, format_, zone, language)


def _sheets(reader: CityReader, spans: Mapping[str, Span], wanted: Wanted) -> list[Sheet]:
    """A sheet of each site, all with the same columns."""
    streams = {site: reader.streams(site) for site in spans}
    if wanted.what == "intervals":
        return [interval_sheet(streams[one], one, {}, span, wanted.only) for one, span in spans.items()]
    fields = fields_of(layout for one in streams.values() for layout in one.layouts(wanted.only).values())
    return [scan_sheet(streams[one], one, span, wanted.only, fields) for one, span in spans.items()]


def _together(sheets: Sequence[Sheet]) -> Sheet:
    """One sheet of all, in their order. Those without a row have no columns of figures, and give nothing."""
    full = [sheet for sheet in sheets if sheet.total]
    first = full[0] if full else None
    columns = first.columns if first else (sheets[0].columns if sheets else ())
    return Sheet(columns, _blocks(full), sum(sheet.total for sheet in full))


def _blocks(sheets: Sequence[Sheet]) -> Iterator[tuple[Block, int]]:
    for sheet in sheets:
        yield from sheet.blocks


def _wrong(text: str) -> int:
    tell(text)
    return WRONG_USE
