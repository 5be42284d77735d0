"""What a person should look at: meters and values that are doubted, found in the store and told in words."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import tzinfo
from typing import Any

from config.words import say
from monitor.store.counts import REASON
from monitor.store.past import PastReader, Refusal
from monitor.timestamps import iso_utc, local_text
from rules.doubts import Doubt, doubt_of
from rules.quality import Quality
from rules.scan import PointSpec, Scan

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS

OFTEN = 3
"""So many refused readings in an hour are no accident any more."""

_REFUSED = ("spike", "backward")
_SUSPECT = bytes([Quality.SUSPECT])

ROUTINE = ("polls", "messages", "readings", "dials")
"""Counts that go up while all is well."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something about a meter that a person should look at.

    Attributes
    ----------
    code : ``stuck``, ``refusing``, ``new_register`` or ``unread``.
    since_ms : since when, where that is known.
    count : how many readings speak for it. last : the newest of them; None where there is none.
    """

    meter: str
    code: str
    since_ms: int | None
    count: int
    last: Refusal | None

    def words(self, zone: tzinfo, language: str) -> str:
        """For a person, the meter's name left aside."""
        if self.last is None:
            since = "-" if self.since_ms is None else local_text(self.since_ms, zone)
            return say(f"meter.{self.code}", language, since=since)
        why = refusal_words(self.last, zone, language)
        if self.code != "refusing":
            return why
        at, value = local_text(self.last.heard_ms, zone), f"{self.last.value:,.12g}"
        return say("meter.refusing", language, count=self.count, at=at, value=value, why=why)

    def as_data(self) -> dict[str, Any]:
        """For a program."""
        since = None if self.since_ms is None else iso_utc(self.since_ms)
        value = None if self.last is None else self.last.value
        return {"code": self.code, "since": since, "count": self.count, "value": value}


def meter_findings(past: PastReader, meter: str, now_ms: int, day_counts: Mapping[str, int]) -> list[Finding]:
    """What is wrong with a meter's register now.

    Parameters
    ----------
    day_counts : its refused and doubted readings of the last day, by verdict.
    """
    found = []
    still = past.stands_still(meter, told_lately=bool(day_counts.get("stuck")))
    if still is not None:
        found.append(Finding(meter, "stuck", still.data.get("moved_ms"), 1, still))
    if sum(day_counts.get(code, 0) for code in _REFUSED) >= OFTEN:
        newest = past.refusals(meter, now_ms - HOUR_MS, 1000)
        refused = [one for one in newest if one.code in _REFUSED]
        if len(refused) >= OFTEN:
            found.append(Finding(meter, "refusing", refused[-1].heard_ms, len(refused), refused[0]))
    if day_counts.get("new_epoch"):
        found += _unrecorded(past, meter, now_ms)
    return found


def _unrecorded(past: PastReader, meter: str, now_ms: int) -> list[Finding]:
    """Registers that were found changed in the last day, and nobody wrote down why."""
    recorded = [one.at_ms for one in past.records(meter) if one.counts]
    for one in past.refusals(meter, now_ms - DAY_MS, 1000):
        before_ms = one.data.get("before_ms", one.at_ms)
        if one.code == "new_epoch" and not any(
            before_ms - HOUR_MS <= at_ms <= one.at_ms + HOUR_MS for at_ms in recorded
        ):
            return [Finding(meter, "new_register", one.at_ms, 1, one)]
    return []


@dataclass(frozen=True, slots=True)
class PointDoubt:
    """A value that came and cannot be quite right; ``since_ms`` since when, where that is known."""

    point: PointSpec
    value: float
    doubt: Doubt
    since_ms: int | None = None

    def words(self, language: str) -> str:
        """For a person."""
        limit = {Doubt.BELOW: self.point.low, Doubt.ABOVE: self.point.high}.get(self.doubt, math.nan)
        why = say(f"cli.why_{self.doubt}", language, limit=f"{limit:,.6g} {self.point.unit}")
        value = f"{self.value:,.6g} {self.point.unit}"
        return say("meter.doubted_value", language, point=self.point.name, value=value, why=why)

    def as_data(self) -> dict[str, Any]:
        """For a program."""
        since = None if self.since_ms is None else iso_utc(self.since_ms)
        return {"point": self.point.name, "value": self.value, "why": self.doubt.value, "since": since}


def is_doubted(scan: Scan) -> bool:
    """Whether any value of a scan is suspect; quick, for the way of every scan."""
    return _SUSPECT in scan.quality.tobytes()


def point_doubts(scan: Scan, since_ms: Mapping[str, int] | None = None) -> list[PointDoubt]:
    """The suspect values of a scan, by point; missing ones are told by the device's own condition.

    Parameters
    ----------
    since_ms : since when each has been suspect, where that is known.
    """
    known, found = since_ms or {}, []
    for point, value, quality in zip(scan.layout.points, scan.values, scan.quality, strict=True):
        doubt = doubt_of(point, float(value), int(quality)) if quality == Quality.SUSPECT else None
        if doubt is not None and doubt is not Doubt.NO_VALUE:
            found.append(PointDoubt(point, float(value), doubt, known.get(point.name)))
    return found


# -- words ----------------------------------------------------------------------------------------------


def counts_words(counts: Mapping[str, int], language: str) -> str:
    """How many readings got each verdict, in one line."""
    texts = [f"{say(f'meter.verdict_{code}', language)} {counts[code]:,}" for code in sorted(counts)]
    return say("meter.listed_by", language).join(texts)


def device_counts_words(counts: Mapping[str, int], language: str) -> str:
    """What a driver counted of a device, in one line; what could not be read, with why."""
    told = []
    for name, n in counts.items():
        if not n or name.startswith(REASON):
            continue
        why = _reasons(counts, language) if name == "bad" else ""
        told.append(say(f"counts.{name}", language, n=f"{n:,}") + why)
    return say("meter.listed_by", language).join(told)


def _reasons(counts: Mapping[str, int], language: str) -> str:
    texts = [
        f"{say('counts.why_' + name.removeprefix(REASON).rpartition('.')[2], language)} {n:,}"
        for name, n in counts.items()
        if name.startswith(REASON)
    ]
    return (
        say("counts.reasons", language, reasons=say("meter.listed_by", language).join(texts)) if texts else ""
    )


def troubled_counts(counts: Mapping[str, int]) -> dict[str, int]:
    """Those counts that do not go up while all is well."""
    return {name: n for name, n in counts.items() if n and name not in ROUTINE}


def refusal_words(one: Refusal, zone: tzinfo, language: str) -> str:
    """Why a reading was not believed, or only with doubt."""
    if "before" not in one.data:  # kept by an older version
        return say(f"meter.verdict_{one.code}", language)
    data = one.data
    facts = {
        "value": f"{one.value:,.12g}",
        "before": f"{data['before']:,.12g}",
        "before_at": local_text(data["before_ms"], zone),
        "moved_at": local_text(data["moved_ms"], zone),
        "unmetered": f"{data['unmetered']:,.1f}",
    }
    return say(f"meter.told_{one.code}", language, **facts)
