"""What is refused of events, in words."""

from datetime import datetime, tzinfo

from config.words import say
from monitor.store.database import StoreError
from monitor.timestamps import local_text


def refusal_text(error: StoreError, zone: tzinfo, language: str) -> str:
    """A refusal as people read it: instants in local time, lives in words."""
    data = dict(error.data)
    for key in ("start", "end", "now", "asked"):
        if key in data:
            at = datetime.fromisoformat(str(data[key]))
            data[key] = local_text(round(at.timestamp() * 1000), zone)
    if "life" in data:
        data["life"] = say(f"dispatch.life_{data['life']}", language)
    return say(error.code, language, **data)
