"""``energy-monitor store verify``: what does not hold together, in words."""

import json
import sys
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from config.loading import load_site
from config.words import say
from monitor.store.care.verify import CHECKS, Finding, verify_store

FINE, PROBLEM = 0, 1


def run_verify(site_path: Path, file: Path | None, language: str, *, as_json: bool) -> int:
    """Look at the site's store, or at a file; exit code 1 when anything was found."""
    path = file if file is not None else load_site(site_path).store_path
    found = _verified(path, language)
    if as_json:
        facts = [asdict(one) | {"text": _words(one, language)} for one in found]
        text = json.dumps({"store": str(path), "findings": facts}, ensure_ascii=False, indent=2)
    else:
        wrong = sum(not one.note for one in found)
        facts_ = {"path": path, "count": wrong, "checks": len(CHECKS)}
        first = say("care.found" if wrong else "care.nothing_found", language, **facts_)
        text = "\n".join([first, *(f"- {_words(one, language)}" for one in found)])
    sys.stdout.write(text + "\n")
    return PROBLEM if any(not one.note for one in found) else FINE


def _verified(path: Path, language: str) -> list[Finding]:
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("", total=len(CHECKS))

        def began(name: str, at: int, total: int) -> None:
            described = say(f"care.check_{name}", language)
            progress.update(task, description=described, completed=at, total=total)

        return verify_store(path, began)


def _words(one: Finding, language: str) -> str:
    return say(one.code, language, **one.data)
