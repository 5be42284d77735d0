"""Reading one file for ``energy-monitor import``: as the product's own tables, or as it is declared."""

import getpass
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from config.adjustments import read_adjustments
from config.history.declared import (
    Declaration,
    EventsFile,
    IntervalsFile,
    LedgerFile,
    WeatherFile,
    declaration_beside,
    declaration_of_export,
    read_declaration,
)
from config.history.events import read_events
from config.history.facts import SiteFacts, site_facts
from config.history.intervals import read_intervals
from config.history.ledgers import declared_table
from config.history.weather import read_weather
from config.history.workbook import is_workbook
from config.ledger import ledger_rows, read_ledger, read_readings, read_reasons, reading_rows
from config.loading import LoadedSite
from config.log_entry import metered_commodities
from config.measures import read_measures
from config.plausible import plausible_of
from config.settlement_list import read_settlements
from monitor.store.adjusting import AdjustRequest
from monitor.store.history_requests import HistoryRequest, HistoryRows
from monitor.store.measures import MeasuresRequest
from monitor.store.provenance import Provenance
from monitor.store.requests import ImportKind, ImportRequest
from rules.adjustments import Book

HISTORY = ("intervals", "weather", "events")
OWN_TABLES = ("reasons", "settlements")
"""Kinds that have the product's own columns and no others."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked of each file.

    Attributes
    ----------
    kind : what the files hold.
    replace : new figures take the place of standing ones.
    at_ms : when it is asked.
    declaration : the YAML file that declares them; None where it may lie beside each file.
    settings : ``time.zone=Asia/Taipei`` and so on, which go before the declaration.
    """

    kind: str
    replace: bool
    at_ms: int
    declaration: Path | None = None
    settings: tuple[str, ...] = ()


def read_request(
    path: Path, wish: Wish, loaded: LoadedSite
) -> ImportRequest | HistoryRequest | AdjustRequest | MeasuresRequest:
    """Read one file: what is asked of the store, every row of it right.

    Raises
    ------
    ConfigurationError : with what is wrong, by row and column.
    SheetsMissing : a workbook, and the extra that reads them is not installed.
    """
    if wish.kind in ("adjustments", "measures"):
        given = Provenance(wish.kind, str(path), digest(path), wish.at_ms, who(), "", wish.replace)
        if wish.kind == "adjustments":
            return AdjustRequest(given, read_adjustments(path, Book.NON_ROUTINE))
        meters = metered_commodities(loaded.site)
        return MeasuresRequest(given, read_measures(path, meters))
    declared = _declaration(path, wish)
    if declared is None or isinstance(declared, LedgerFile):
        return _ledger_request(path, wish, loaded, declared)
    facts = site_facts(loaded, wish.at_ms // 1000)
    text = declared.model_dump_json(exclude_defaults=True)
    provenance = Provenance(wish.kind, str(path), digest(path), wish.at_ms, who(), text, wish.replace)
    return HistoryRequest(provenance, _history_rows(path, declared, facts))


def _declaration(path: Path, wish: Wish) -> Declaration | None:
    """How a file is declared; None for the product's own tables."""
    beside = wish.declaration or (
        declaration_beside(path, wish.kind) if wish.kind not in OWN_TABLES else None
    )
    plain = beside is None and not wish.settings and not is_workbook(path)
    if wish.kind in OWN_TABLES or (wish.kind not in HISTORY and plain):
        return None
    if wish.kind == "intervals" and plain and (exported := declaration_of_export(path)) is not None:
        return exported
    return read_declaration(wish.kind, beside, wish.settings)


def _history_rows(path: Path, declared: Declaration, facts: SiteFacts) -> HistoryRows:
    if isinstance(declared, IntervalsFile):
        return read_intervals(path, declared, facts)
    if isinstance(declared, WeatherFile):
        return read_weather(path, declared, facts)
    assert isinstance(declared, EventsFile)  # noqa: S101  the only one left
    return read_events(path, declared, facts)


def _ledger_request(path: Path, wish: Wish, loaded: LoadedSite, declared: LedgerFile | None) -> ImportRequest:
    meters = metered_commodities(loaded.site)
    kind = cast("ImportKind", wish.kind)  # the others are history
    text = declared.model_dump_json(exclude_defaults=True) if declared is not None else ""
    facts = (kind, str(path), digest(path), wish.at_ms, wish.replace)
    limits = plausible_of(loaded.site)
    if kind == "reasons":
        return ImportRequest(*facts, reasons=read_reasons(path), who=who())
    if kind == "settlements":
        return ImportRequest(*facts, settlements=read_settlements(path), who=who())
    if declared is None:
        if kind == "readings":
            return ImportRequest(*facts, readings=read_readings(path, meters), who=who(), limits=limits)
        return ImportRequest(*facts, ledger=read_ledger(path, meters), who=who(), limits=limits)
    table = declared_table(path, declared, meters)
    more: dict[str, Any] = {"who": who(), "declared": text, "limits": limits}
    if kind == "readings":
        return ImportRequest(*facts, readings=reading_rows(table, meters), **more)
    return ImportRequest(*facts, ledger=ledger_rows(table, meters), **more)


def who() -> str:
    """Whose command it is; empty where the machine does not say."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""


def digest(path: Path) -> str:
    """SHA-256 of a file; empty where it cannot be read, which reading its rows tells in words."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""
