"""What is wrong in a tariff's file, seen at its nodes: validity, seasons, and hours that meet."""

from collections.abc import Iterator
from datetime import date
from typing import Any

from config.checking import Checks, children
from config.days import month_day_of
from config.positions import Node, Source
from config.problems import Problem
from config.tariff_models import minutes_of

LISTS = ("clocks", "energy", "basic", "rules")


def check_tariff(root: Node, source: Source) -> list[Problem]:
    """Everything in a tariff's file that does not fit together."""
    checks = _TariffChecks(root, source)
    found = [problem for key in LISTS for problem in checks.validity(root.entries(key))]
    for clock in root.entries("clocks"):
        found += [*checks.season(clock), *checks.hours(clock)]
    return found + list(checks.whole())


def day_of(node: Node | None) -> date | None:
    """A day that a node holds; None where it holds none."""
    try:
        return date.fromisoformat(node.text or "") if node is not None else None
    except ValueError:
        return None


class _TariffChecks(Checks):
    def whole(self) -> Iterator[Problem]:
        """A tariff that goes on from no other has a name, hours and a calendar of its own."""
        if self.root.get("extends") is not None:
            return
        for key in ("name", "calendar", "clocks"):
            if self.root.get(key) is None:
                place = self.source.place()
                yield Problem("config.missing_key", place, (key,), {"key": key})

    def validity(self, entries: list[Node]) -> Iterator[Problem]:
        """Entries end after they begin, and none overlaps another."""
        yield from validity(self, entries)

    def season(self, clock: Node) -> Iterator[Problem]:
        """Summer lies within one year."""
        summer = clock.get("summer")
        first, last = (summer.get("first"), summer.get("last")) if summer is not None else (None, None)
        if first is None or last is None:
            return
        try:
            begins, ends = month_day_of(first.value), month_day_of(last.value)
        except ValueError:
            return  # told by the model
        if begins > ends:
            yield self.at("tariff.season_reversed", last, first=first.raw, last=last.raw)

    def hours(self, clock: Node) -> Iterator[Problem]:
        """No minute is in two periods."""
        for season in children(clock.get("hours")):
            for kind in children(season):
                yield from self._apart([span for spans in children(kind) for span in spans.sequence or ()])

    def _apart(self, spans: list[Node]) -> Iterator[Problem]:
        seen: list[tuple[int, int, Node]] = []
        for span in spans:
            try:
                begin, end = minutes_of(span.value)
            except ValueError:
                continue  # told by the model
            for first, last, other in seen:
                if begin < last and first < end:
                    data: dict[str, Any] = {"hours": span.raw, "other": other.raw, "line": other.span.line}
                    yield self.at("tariff.hours_overlap", span, **data)
            seen.append((begin, end, span))


def validity(checks: Checks, entries: list[Node]) -> Iterator[Problem]:
    """Of entries with ``from`` and ``to``: those that end before they begin, and those that overlap."""
    seen: list[tuple[date, date, Node]] = []
    for entry in entries:
        since, to = entry.get("from"), entry.get("to")
        first = day_of(since) if since is not None else date.min
        last = day_of(to) if to is not None else date.max
        if first is None or last is None:
            continue  # told by the model
        if last < first and to is not None:
            days: dict[str, Any] = {"first": first.isoformat(), "last": last.isoformat()}
            yield checks.at("tariff.ends_before_it_begins", to, **days)
            continue
        for begins, ends, other in seen:
            if first <= ends and begins <= last:
                data: dict[str, Any] = {"day": max(first, begins).isoformat(), "line": other.span.line}
                yield checks.at("tariff.valid_twice", since or entry, **data)
        seen.append((first, last, entry))
