"""Local times as instants: days of 23 and 25 hours, hours that never were, and hours that were twice."""
# A clock on the wall has no zone.
# ruff: noqa: DTZ001

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from rules.local_time import to_instants

BERLIN, TAIPEI = ZoneInfo("Europe/Berlin"), ZoneInfo("Asia/Taipei")
EPOCH = datetime(1970, 1, 1)


def local(*texts):
    return np.array([(datetime.fromisoformat(text) - EPOCH) // timedelta(seconds=1) for text in texts])


def test_nothing_is_nothing():
    found = to_instants(np.zeros(0, dtype=np.int64), TAIPEI, np.zeros(0, dtype=np.int64))
    assert len(found.utc_s) == len(found.skipped) == len(found.doubtful) == 0


def test_a_zone_without_summer_time():
    found = to_instants(local("2017-07-01T00:15"), TAIPEI, np.zeros(1, dtype=np.int64))
    assert found.utc_s.tolist() == local("2017-06-30T16:15").tolist()
    assert not found.skipped.any()
    assert not found.doubtful.any()


def test_the_hour_that_was_twice_is_told_apart_by_its_order():
    stamps = ["2017-10-29T01:30", *["2017-10-29T02:00", "2017-10-29T02:30"] * 2, "2017-10-29T03:00"]
    found = to_instants(local(*stamps), BERLIN, np.zeros(6, dtype=np.int64))
    assert np.diff(found.utc_s).tolist() == [1800] * 5
    assert not found.doubtful.any()


def test_an_hour_that_stands_once_is_in_doubt():
    found = to_instants(local("2017-10-29T02:00", "2017-10-29T02:00"), BERLIN, np.array([0, 1]))
    assert found.doubtful.tolist() == [True, True]  # two meters: each has it once


def test_the_hour_that_never_was():
    found = to_instants(
        local("2017-03-26T01:45", "2017-03-26T02:00", "2017-03-26T02:59:59", "2017-03-26T03:00"),
        BERLIN,
        np.zeros(4, dtype=np.int64),
    )
    assert found.skipped.tolist() == [False, True, True, False]
    assert found.utc_s[3] - found.utc_s[0] == 900


@pytest.mark.parametrize("name", ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Taipei"])
def test_every_quarter_of_a_year_comes_back(name):
    zone = ZoneInfo(name)
    start = int(datetime(2017, 1, 1, tzinfo=ZoneInfo("UTC")).timestamp())
    utc_s = start + 900 * np.arange(365 * 96)
    walls = [datetime.fromtimestamp(at, zone).replace(tzinfo=None) for at in utc_s.tolist()]
    stamps = np.array([(wall - EPOCH) // timedelta(seconds=1) for wall in walls])
    found = to_instants(stamps, zone, np.zeros(len(stamps), dtype=np.int64))
    assert (found.utc_s == utc_s).all()
    assert not found.skipped.any()
    assert not found.doubtful.any()
