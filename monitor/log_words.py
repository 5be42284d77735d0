"""What is said to somebody who wrote in the log, at the command line or on the page."""

from config.words import catalogue, say
from monitor.store.database import LedgerRefused, StoreError


def refusal_words(error: StoreError, language: str, *, on_page: bool = False) -> str:
    """What the store has against an entry: what is worded for files has words of its own here.

    A cure that is an option of the command is another one on the page.
    """
    errors = error.problems if isinstance(error, LedgerRefused) else (error,)
    lines = []
    for one in errors:
        refused = f"refused_{one.code.partition('.')[2]}"
        own = [f"logbook.page_{refused}"] if on_page else []
        known = (key for key in (*own, f"logbook.{refused}") if key in catalogue(language))
        lines.append(say(next(known, one.code), language, **one.data))
    return "\n".join(lines)
