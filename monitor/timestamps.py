"""Instants as people and files write them."""

from datetime import UTC, datetime, tzinfo


def iso_utc(at_ms: int) -> str:
    """ISO 8601 in UTC with milliseconds, as ``2017-07-01T00:00:00.000Z``."""
    instant = datetime.fromtimestamp(at_ms / 1000, UTC)
    return instant.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def local_text(at_ms: int, zone: tzinfo) -> str:
    """Local date and time to the second, as ``2017-07-01 08:00:00``."""
    return datetime.fromtimestamp(at_ms / 1000, zone).strftime("%Y-%m-%d %H:%M:%S")
