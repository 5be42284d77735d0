"""What is said to somebody who wrote in the log, at the command line or on the page."""

from config.words import catalogue, say
from monitor.store.database import LedgerRefused, StoreError


def refusal_words(error: StoreError, language: str) -> str:
    """What the store has against an entry: what is worded for files has words of its own here."""
    errors = error.problems if isinstance(error, LedgerRefused) else (error,)
    lines = []
    for one in errors:
        own = f"logbook.refused_{one.code.partition('.')[2]}"
        lines.append(say(own if own in catalogue(language) else one.code, language, **one.data))
    return "\n".join(lines)
