"""What waits for the disk: how much room it will take there, and how many readings may wait."""

from collections.abc import Iterable
from dataclasses import fields
from operator import attrgetter

from monitor.store.rows import Commit, ScanRow

SCAN_BYTES, INTERVAL_BYTES, ROW_BYTES = 24, 150, 250
"""A row on disk beside a scan's own values; an interval; any other row, about."""

SCANS_AT_MOST = 100_000
"""So many raw readings may wait for the disk, or as many as come in an interval."""

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


def let_go(commits: list[Commit]) -> list[ScanRow]:
    """Take the oldest raw readings out of commits that wait, where too many do; returns them.

    Intervals and all else stay. So do readings that somebody waits for, and those after the newest state
    that waits as well: a restart would take them again.
    """
    above = sum(len(commit.scans) for commit in commits) - SCANS_AT_MOST
    state = next((one.snapshot.scan_id for one in reversed(commits) if one.snapshot is not None), 0)
    gone: list[ScanRow] = []
    if above <= 0:
        return gone
    for commit in commits:
        if len(gone) >= above:
            break
        if commit.scans and not commit.done and commit.scans[-1][0] <= state:
            gone += commit.scans
            commit.scans = []
        if commit.snapshot is not None and commit.snapshot.scan_id < state:
            commit.snapshot = None  # a newer one gets to disk in the same transaction
    commits[:] = [commit for commit in commits if commit]
    return gone
