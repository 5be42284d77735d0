"""``energy-monitor dr export|check``: the record of an event as a file, and whether it holds together."""

import json
import sys
from pathlib import Path

from config.loading import LoadedSite, load_site
from config.words import say
from monitor.cli.handing_over import carried_out
from monitor.cli.words import tell
from monitor.clock import SystemClock
from monitor.event_bundle import bundle_of
from monitor.event_check import faults_of
from monitor.store.database import StoreError
from monitor.store.deliveries import AuditRequest, take_down, who
from monitor.store.event_reader import EventReader
from monitor.store.reader import StoreReader

FINE, PROBLEM, WRONG_USE = 0, 1, 2
ANSWER_WITHIN_S = 30.0


def run_export(path: Path, event: str, out: Path, language: str) -> int:
    """Write an event's record into a file, and its check sum into the audit.

    Returns
    -------
    0 fine; 1 file or audit could not be written (a file that is there is left alone); 2 wrong use.
    """
    loaded = load_site(path)
    site = loaded.site.site.id
    events, reader = EventReader.open(loaded.store_path, site), StoreReader.open(loaded.store_path, site)
    try:
        found = events.events(ids=[event])
        if not found:
            tell(say("dispatch.unknown_event", language, event=event))
            return WRONG_USE
        bundle = bundle_of(loaded, events, reader, found[0])
    finally:
        events.close()
        reader.close()
    try:
        with out.open("x", encoding="utf-8") as file:
            json.dump(bundle, file, ensure_ascii=False, indent=1)
            file.write("\n")
    except OSError as error:
        tell(say("dispatch.not_exported", language, file=str(out), reason=error.strerror or str(error)))
        return PROBLEM
    detail = {"event": event, "file": out.name, "sha256": bundle["sha256"]}
    told = {**detail, "file": str(out)}
    try:
        _take_down(loaded, detail)
    except StoreError as error:
        reason = say(error.code, language, **error.data)
        tell(say("dispatch.sum_not_kept", language, **told, reason=reason))
        return PROBLEM
    sys.stdout.write(say("dispatch.exported", language, **told) + "\n")
    return FINE


def _take_down(loaded: LoadedSite, detail: dict[str, str]) -> None:
    """Keep the sum where whoever changes the file does not reach. Raises ``StoreError``."""
    request = AuditRequest(SystemClock().now_ms(), who(), "dr.export", detail)
    carried_out(loaded, request, lambda engine, site: take_down(engine, site, request), ANSWER_WITHIN_S)


def run_check_record(file: Path, language: str) -> int:
    """Say what is wrong with an event's record; 0 where nothing is."""
    try:
        bundle = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        tell(say("dispatch.bundle_unreadable", language, file=str(file), reason=str(error)))
        return WRONG_USE
    faults = faults_of(bundle)
    for code, data in faults:
        tell(say(code, language, **data))
    if faults:
        return PROBLEM
    told = {"event": bundle["content"]["event"], "file": str(file), "sha256": bundle["sha256"]}
    sys.stdout.write(say("dispatch.bundle_fine", language, **told) + "\n")
    return FINE
