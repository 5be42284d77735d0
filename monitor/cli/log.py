"""The log in the language of whoever reads it: what went wrong in words, with its code to search for."""

import logging
import sys
from typing import Any

from config.words import Spoken, say_error
from drivers.contract import DriverError
from monitor.store.database import StoreError


class Formatter(logging.Formatter):
    """Tells ``Spoken`` lines, and errors that are filled into other lines, in words."""

    def __init__(self, language: str) -> None:
        super().__init__("%(asctime)s %(levelname)s %(message)s")
        self._language = language

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  logging's own name
        """The line, once its message is put together."""
        if isinstance(record.msg, Spoken):
            record.message = record.msg.in_language(self._language)
        elif isinstance(record.args, tuple) and record.args:
            record.message = str(record.msg) % tuple(self._said(one) for one in record.args)
        return super().formatMessage(record)

    def _said(self, one: Any) -> Any:
        if not isinstance(one, DriverError | StoreError):
            return one
        words = say_error({"code": one.code, "data": one.data}, self._language)
        return f"{words} [{one.code}]"


def speak(language: str, *, quiet: bool = False) -> None:
    """Write the log to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Formatter(language))
    logging.basicConfig(level=logging.WARNING if quiet else logging.INFO, handlers=[handler])
