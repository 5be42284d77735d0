"""``energy-monitor dr export|check``: the record of an event as a file, and whether it holds together."""

import json
import sys
from pathlib import Path

from config.loading import load_site
from config.words import say
from monitor.cli.words import tell
from monitor.event_bundle import bundle_of, faults_of
from monitor.store.event_reader import EventReader
from monitor.store.reader import StoreReader

FINE, PROBLEM, WRONG_USE = 0, 1, 2


def run_export(path: Path, event: str, out: Path, language: str) -> int:
    """Write an event's record into a file; one that is there already is left alone."""
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
    sys.stdout.write(say("dispatch.exported", language, event=event, file=str(out)) + "\n")
    return FINE


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
    event = bundle["content"]["event"]
    sys.stdout.write(say("dispatch.bundle_fine", language, event=event, file=str(file)) + "\n")
    return FINE
