"""What waits for the disk: how much room it will take there."""

from collections.abc import Iterable
from dataclasses import fields
from operator import attrgetter

from monitor.store.rows import Commit

SCAN_BYTES, INTERVAL_BYTES, ROW_BYTES = 24, 150, 250
"""A row on disk beside a scan's own values; an interval; any other row, about."""

_ROWS = ("scans", "intervals", "snapshot", "done")
_other_rows = attrgetter(*(one.name for one in fields(Commit) if one.name not in _ROWS))


def room_for(commits: Iterable[Commit]) -> int:
    """About how many bytes of the disk some commits will take; each snapshot takes the place of the last."""
    size, states = 0, 0
    for commit in commits:
        size += sum(SCAN_BYTES + len(values) + len(quality) for *_, values, quality in commit.scans)
        size += INTERVAL_BYTES * len(commit.intervals) + ROW_BYTES * sum(map(len, _other_rows(commit)))
        if commit.snapshot is not None:
            states = sum(map(len, commit.snapshot.meters.values()))
    return size + states


def cursors_of(commits: Iterable[Commit]) -> dict[tuple[str, str], int]:
    """Where commits put the cursors of sinks, up to where dead letters are on their way as well."""
    cursors: dict[tuple[str, str], int] = {}
    with_letters: set[str] = set()
    for commit in commits:
        with_letters |= {letter.sink for letter in commit.dead_letters}
        cursors |= {key: at for key, at in commit.cursors.items() if key[0] not in with_letters}
    return cursors
