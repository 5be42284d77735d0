"""Counts of a device: what goes on counting, and what is handed on."""

from dataclasses import FrozenInstanceError, asdict, fields

import pytest

from drivers.contract import Counts
from drivers.tally import Tally


def test_every_count_is_handed_on():
    tally = Tally(*range(1, len(fields(Tally))))
    tally.unreadable("payload.not_json")
    counts = tally.counts(dials=99)
    assert {field.name for field in fields(Tally)} | {"dials"} == {field.name for field in fields(Counts)}
    assert asdict(counts) == asdict(tally) | {"dials": 99}
    with pytest.raises(FrozenInstanceError):
        counts.late = 1  # type: ignore[misc]
