"""A site file that changes while the daemon runs: taken whole, or refused whole, told and written down."""

import asyncio
import logging
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from config.loading import LoadedSite, load_site
from config.problems import ConfigurationError
from config.words import Spoken
from monitor.store.database import StoreError

log = logging.getLogger(__name__)

PROBLEMS_KEPT = 20
"""Of a refused file, so many problems stand in the audit; the log has all of them."""

Note = Callable[[str, dict[str, Any]], None]
"""Writes a row of the audit: what was done, and its detail."""


class Asked:
    """What signals ask of the daemon. It outlives a change of daemons, so that no signal is missed."""

    def __init__(self) -> None:
        self.stop = asyncio.Event()
        self.reload = asyncio.Event()

    def listen(self) -> None:
        """Take up SIGTERM and SIGINT, which end it, and SIGHUP, which has the site file read again."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop.set)
        loop.add_signal_handler(signal.SIGHUP, self.reload.set)


async def site_wanted(asked: Asked, path: Path, note: Note) -> LoadedSite:
    """The site file as it is once somebody wants it read again and it holds together."""
    while True:
        await asked.reload.wait()
        asked.reload.clear()
        try:
            return await asyncio.to_thread(load_site, path)
        except ConfigurationError as error:
            refuse(error, path, note)


def refuse(error: ConfigurationError | StoreError, path: Path, note: Note) -> None:
    """Say that a site file stays out, why, and that the one before it goes on."""
    if isinstance(error, StoreError):
        found = [{"code": error.code, "data": {name: str(value) for name, value in error.data.items()}}]
        log.error(Spoken("log.trouble", error=found[0]))
    else:
        wrong = [problem for problem in error.problems if not problem.warning]
        found = [{"code": one.code, "at": one.location()} for one in wrong]
        for problem in wrong:
            log.error(Spoken("log.config_problem", at=problem.location(), words=_Words(problem.message)))
    log.error(Spoken("log.config_refused", path=path, count=len(found)))
    note("site_file.refused", {"path": str(path), "problems": found[:PROBLEMS_KEPT], "count": len(found)})


def take(loaded: LoadedSite, before: LoadedSite, note: Note) -> None:
    """Say that a site file was taken up in the place of another."""
    log.info(Spoken("log.config_taken", path=loaded.path))
    note("site_file.taken", {"path": str(loaded.path), "sha256": loaded.digest, "before": before.digest})


class _Words(Spoken):
    """Words that something finds itself, once the reader's language is known."""

    def __init__(self, words: Callable[[str], str]) -> None:
        super().__init__("")
        self._words = words

    def in_language(self, language: str) -> str:
        return self._words(language)
