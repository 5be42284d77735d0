"""Baseline presets: ``config/baselines/*.yaml`` and an operator's own, one method a file.

How to ask::

    preset = load_preset("caiso-10-of-10", site_folder)    # or "baselines/mine.yaml"
    preset.method                                          # for rules.baseline
    preset.is_unverified, preset.unverified["en"]          # to be shown wherever it is used
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated

from pydantic import Field, model_validator

from config.data_files import (
    Grade,
    Graded,
    Shelf,
    named_as_file,
    read_data_file,
)
from config.days import Day
from config.positions import Node, Source
from config.problems import Problem
from config.site import LocalName
from drivers.settings import Identifier, Settings
from rules.baseline.method import (
    Adjustment,
    AdjustmentKind,
    Anchor,
    DayKinds,
    Days,
    Method,
    Selection,
    Span,
    Statistic,
)

UNVERIFIED_GRADE = "B"

Hours = Annotated[float, Field(ge=-24, le=48, multiple_of=0.25)]


class Valid(Settings):
    """Days on which a text holds, both included; what is left out is not known, or open."""

    from_: Day | None = Field(default=None, alias="from")
    through: Day | None = None


class SpanFile(Settings):
    """Hours counted from an anchor; below zero is before it."""

    anchor: Anchor
    from_h: Hours
    to_h: Hours

    @model_validator(mode="after")
    def _has_hours(self) -> "SpanFile":
        if self.to_h <= self.from_h:
            raise ValueError("'to_h' is after 'from_h'")
        return self


class DaysFile(Settings):
    """The days before that a baseline is made of."""

    wanted: int = Field(ge=1, le=60, description="How many days, the latest first.")
    kinds: DayKinds = DayKinds.WORKDAYS
    lookback_days: int | None = Field(default=None, ge=1, le=366, description="Calendar days looked back.")
    select: Selection = Selection.ALL
    count: int | None = Field(default=None, ge=1, description="How many of the highest or middle days.")
    drop_below: float | None = Field(
        default=None, gt=0, lt=1, description="Share of the mean under which a day makes room."
    )


class AdjustmentFile(Settings):
    """What the event's own day says."""

    kind: AdjustmentKind
    hours: SpanFile
    low: float | None = None
    high: float | None = None
    upward_only: bool = False


class PresetFile(Settings):
    """The whole of a preset's file."""

    preset: Identifier
    name: LocalName
    grade: Grade
    source: Graded
    unverified: tuple[LocalName, ...] = Field(default=(), description="What of it is not certain.")
    valid: Valid = Field(default_factory=Valid)
    days: DaysFile | None = None
    same_day: tuple[SpanFile, ...] = ()
    statistic: Statistic = Statistic.MEAN
    adjustment: AdjustmentFile | None = None
    contract_cap: bool = Field(default=False, description="Never above the regular contract capacity.")

    @model_validator(mode="after")
    def _holds_together(self) -> "PresetFile":
        self.method()
        return self

    def method(self) -> Method:
        """The finished method. ValueError where its parameters contradict each other."""
        days, adjustment = self.days, self.adjustment
        return Method(
            days=None if days is None else Days(**days.model_dump()),
            same_day=tuple(Span(**span.model_dump()) for span in self.same_day),
            statistic=self.statistic,
            adjustment=None
            if adjustment is None
            else Adjustment(
                kind=adjustment.kind,
                span=Span(**adjustment.hours.model_dump()),
                low=adjustment.low,
                high=adjustment.high,
                upward_only=adjustment.upward_only,
            ),
            contract_cap=self.contract_cap,
        )


@dataclass(frozen=True, slots=True)
class Preset:
    """A method with its name and where it is from.

    Attributes
    ----------
    names : by language; unverified : by language, what of it is not certain.
    first, last : days on which it holds, where it is bound to a text.
    digest : SHA-256 of its file, so that a settlement can name the very parameters.
    """

    id: str
    names: Mapping[str, str]
    method: Method
    grade: str
    source: str
    unverified: Mapping[str, tuple[str, ...]]
    first: date | None
    last: date | None
    digest: str

    @property
    def is_unverified(self) -> bool:
        """Whether it is background knowledge, to be shown as unverified."""
        return self.grade == UNVERIFIED_GRADE


def by_language(texts: tuple[LocalName, ...]) -> dict[str, tuple[str, ...]]:
    """Texts of a file by language."""
    return {"zh-TW": tuple(one.zh_TW for one in texts), "en": tuple(one.en for one in texts)}


def names_of(name: LocalName) -> dict[str, str]:
    """A name by language."""
    return {"zh-TW": name.zh_TW, "en": name.en}


def _read(path: Path) -> Preset:
    read = read_data_file(path, PresetFile, _checks)
    named_as_file(read, path, "preset", read.model.preset)
    file = read.model
    return Preset(
        id=file.preset,
        names=names_of(file.name),
        method=file.method(),
        grade=file.grade,
        source=file.source,
        unverified=by_language(file.unverified),
        first=file.valid.from_,
        last=file.valid.through,
        digest=read.source.digest,
    )


PRESETS = Shelf("baselines", "dr.unknown_preset", _read)
load_preset, preset_names = PRESETS.load, PRESETS.names


def _checks(root: Node, source: Source) -> Iterator[Problem]:
    """Parameters that contradict each other, at the place of the one that is wrong."""
    days = root.get("days")
    spans = [*root.entries("same_day")]
    if (days is None) == (not spans):
        node = days or root
        yield Problem("dr.preset_two_kinds", source.place(node.label), node.path)
    elif days is None:
        for key in ("adjustment", "statistic"):
            if (node_ := root.get(key)) is not None and node_.value != Statistic.MEAN:
                yield Problem("dr.preset_same_day_alone", source.place(node_.label), node_.path, {"key": key})
    if days is not None:
        yield from _days_checks(days, source)
    adjustment = root.get("adjustment")
    if adjustment is not None:
        spans += [hours] if (hours := adjustment.get("hours")) is not None else []
        low, high = adjustment.get("low"), adjustment.get("high")
        if low is not None and high is not None and (low.number or 0) > (high.number or 0):
            data = {"low": low.raw, "high": high.raw}
            yield Problem("dr.preset_limits", source.place(high.span), high.path, data)
    for span in spans:
        first, last = span.get("from_h"), span.get("to_h")
        if first is None or last is None or first.number is None or last.number is None:
            continue
        if last.number <= first.number:
            data = {"first": first.raw, "last": last.raw}
            yield Problem("dr.preset_no_hours", source.place(last.span), last.path, data)


def _days_checks(days: Node, source: Source) -> Iterator[Problem]:
    numbers = {key: child.number for key in ("wanted", "count", "lookback_days") if (child := days.get(key))}
    wanted, count, lookback = (numbers.get(key) for key in ("wanted", "count", "lookback_days"))
    select = days.word("select") or Selection.ALL
    node = days.get("count")
    if (select == Selection.ALL) != (count is None):
        at = node or days.get("select") or days
        yield Problem("dr.preset_count", source.place(at.span), at.path)
    elif node is not None and count is not None and wanted is not None:
        if count > wanted:
            yield Problem("dr.preset_count_over", source.place(node.span), node.path, {"wanted": wanted})
        elif select == Selection.MIDDLE and (wanted - count) % 2:
            yield Problem("dr.preset_not_middle", source.place(node.span), node.path, {"wanted": wanted})
    limit = days.get("lookback_days")
    if limit is not None and lookback is not None and wanted is not None and lookback < wanted:
        yield Problem("dr.preset_lookback", source.place(limit.span), limit.path, {"wanted": wanted})
