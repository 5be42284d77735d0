"""Instants as people and files write them."""

import re
from datetime import UTC, datetime, tzinfo

_ISO_UTC = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z")


def iso_utc(at_ms: int) -> str:
    """ISO 8601 in UTC with milliseconds, as ``2017-07-01T00:00:00.000Z``."""
    instant = datetime.fromtimestamp(at_ms / 1000, UTC)
    return instant.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def local_text(at_ms: int, zone: tzinfo) -> str:
    """Local date and time to the second, as ``2017-07-01 08:00:00``."""
    return datetime.fromtimestamp(at_ms / 1000, zone).strftime("%Y-%m-%d %H:%M:%S")


def local_if_instant(value: object, zone: tzinfo) -> object:
    """What ``iso_utc`` wrote as local date and time, for a person; anything else as it is."""
    if not isinstance(value, str) or not _ISO_UTC.fullmatch(value):
        return value
    return local_text(round(datetime.fromisoformat(value).timestamp() * 1000), zone)
