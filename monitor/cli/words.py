"""How the command line tells errors: one place that knows every kind of error we raise."""

import os
import sys
import traceback
from pathlib import Path

from rich.console import Console
from rich.text import Text

from config.problems import ConfigurationError, render_all
from config.words import say
from drivers.contract import DriverError
from monitor.store.database import StoreError

PROBLEM, WRONG_USE = 1, 2


def explain(error: BaseException, language: str) -> tuple[str, int]:
    """The words for an error, and the exit code that goes with it."""
    if isinstance(error, ConfigurationError):
        return render_all(error.problems, language, colour=colourful()), WRONG_USE
    if isinstance(error, StoreError | DriverError):
        return say(error.code, language, **error.data), PROBLEM
    if isinstance(error, OSError):
        place = error.filename or ""
        return say("cli.os_error", language, place=place, reason=error.strerror or error), PROBLEM
    last = traceback.extract_tb(error.__traceback__)[-1]
    where = f"{Path(last.filename).name}:{last.lineno}"
    kind = type(error).__name__
    return say("cli.internal", language, kind=kind, reason=error, where=where), PROBLEM


def colourful() -> bool:
    """Whether standard error is a terminal that wants colours."""
    return sys.stderr.isatty() and "NO_COLOR" not in os.environ


def plain(text: str) -> Text:
    """Text that a device, a server or a site file said, for a table: nothing in it is markup."""
    return Text("".join(letter if letter.isprintable() else "\ufffd" for letter in text))


def wide_console() -> Console:
    """Standard output for tables of sentences: a file or pipe has room that no terminal sets bounds to."""
    return Console(soft_wrap=True, highlight=False, width=None if sys.stdout.isatty() else 160)


def tell(text: str) -> None:
    """Say something to the person, beside the command's own output."""
    sys.stderr.write(text + "\n")
