"""``energy-monitor store backup|restore|salvage``: copies of the store, told with a bar and in words."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from config.loading import load_site
from config.words import say
from monitor.cli.words import tell
from monitor.clock import SystemClock
from monitor.store.care.copying import Stage, back_up
from monitor.store.care.files import in_mb
from monitor.store.care.manifest import Contents, manifest_path
from monitor.store.care.restoring import restore
from monitor.store.care.salvage import salvage_store
from monitor.timestamps import iso_utc

FINE, PROBLEM = 0, 1


def run_backup(site_path: Path, file: Path, language: str, *, as_json: bool) -> int:
    """Back the store up. Raises what ``explain`` puts into words."""
    loaded = load_site(site_path)
    made = iso_utc(SystemClock().now_ms())
    with staged(language) as stage:
        manifest = back_up(loaded.store_path, file, made, version("facility-energy-monitor"), stage)
    if as_json:
        facts = {"backup": str(file), "manifest": str(manifest_path(file)), **asdict(manifest)}
        sys.stdout.write(json.dumps(facts, ensure_ascii=False, indent=2) + "\n")
        return FINE
    data = {"path": file, "size": in_mb(manifest.size), "manifest": manifest_path(file)}
    counts = {"rows": _rows(manifest.contents), "tables": len(manifest.contents.tables)}
    sys.stdout.write(say("care.backed_up", language, **data, **counts) + "\n")
    return FINE


def run_restore(site_path: Path, file: Path, language: str) -> int:
    """Put a backup in the store's place. Raises what ``explain`` puts into words."""
    loaded = load_site(site_path)
    with staged(language) as stage:
        now_ms = SystemClock().now_ms()
        done = restore(file, loaded.store_path, loaded.site.site.id, now_ms, stage)
    data = {"path": loaded.store_path, "made": done.made, "rows": _rows(done.contents)}
    lines = [say("care.restored", language, **data)]
    if done.kept is not None:
        lines.append(say("care.kept_aside", language, kept=done.kept))
    lines.append(say("care.restart_page", language))
    sys.stdout.write("\n".join(lines) + "\n")
    return FINE


def run_salvage(damaged: Path, file: Path, language: str) -> int:
    """Take out of a damaged store what can be read; exit code 1 when something could not."""
    with staged(language) as stage:
        tables = salvage_store(damaged, file, stage)
    for name, one in tables.items():
        if one.lost:
            tell(say("care.salvaged_table", language, table=name, rows=f"{one.rows:,}", lost=one.lost))
    rows, lost = sum(one.rows for one in tables.values()), sum(one.lost for one in tables.values())
    sys.stdout.write(say("care.salvaged", language, path=file, rows=f"{rows:,}", lost=lost) + "\n")
    return PROBLEM if lost else FINE


@contextmanager
def staged(language: str) -> Iterator[Stage]:
    """A bar on standard error, one for each thing that is done; none where nobody looks."""
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        tasks: dict[str, object] = {}

        def stage(what: str, done: int, total: int) -> None:
            name, _, table = what.partition(" ")
            if what not in tasks:
                tasks[what] = progress.add_task(say(f"care.stage_{name}", language, table=table), total=total)
            progress.update(tasks[what], completed=done, total=total)  # type: ignore[arg-type]

        yield stage


def _rows(contents: Contents) -> str:
    return f"{sum(one.rows for one in contents.tables.values()):,}"
