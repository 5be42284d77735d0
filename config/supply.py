"""What a site has agreed with its utility: tariffs, off-peak days and contracts, as bills want them."""

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import TypeVar

from config.checking import Checks
from config.data_files import Shelf
from config.off_peak_days import CALENDARS
from config.positions import Node, Source
from config.problems import ConfigurationError, Problem
from config.site import Capacities, Site, TariffPlan
from config.tariff_checks import day_of, validity
from config.tariff_files import TARIFFS
from rules.off_peak import OffPeakDays
from rules.tariff.terms import Contract, Dated, Plan, Supply, Tariff

T = TypeVar("T")
ONE_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class SupplyFiles:
    """The files that a site's ``tariff`` names, by the name that it uses."""

    tariffs: dict[str, Tariff]
    calendars: dict[str, OffPeakDays]


def read_supply(root: Node, source: Source, base: Path) -> tuple[SupplyFiles, list[Problem]]:
    """Read the tariffs and calendars that a site file names, and look at its contract and plans."""
    files, problems = SupplyFiles({}, {}), list(_contract_checks(root, source))
    section = root.get("tariff")
    if section is None:
        return files, problems
    plans = section.entries("plans")
    checks = Checks(root, source)
    problems += [*validity(checks, plans), *_gaps(checks, plans)]
    for plan in plans:
        problems += _read(plan.get("name"), TARIFFS, files.tariffs, source, base)
    node = section.get("calendar")
    problems += _read(node, CALENDARS, files.calendars, source, base)
    for tariff in files.tariffs.values():
        if tariff.calendar and tariff.calendar not in files.calendars and node is None:
            files.calendars[tariff.calendar] = CALENDARS.load(tariff.calendar, base)
    return files, problems


def _read(
    node: Node | None, shelf: Shelf[T], found: dict[str, T], source: Source, base: Path
) -> list[Problem]:
    """Read the file that a node names; a bad one is told once."""
    wish = node.text if node is not None else None
    if node is None or not wish or wish in found:
        return []
    path = shelf.path(wish, base)
    if path is None:
        return [shelf.unknown(wish, source.place(node.span), node.path)]
    if not path.is_file():
        return [Problem("config.no_file", source.place(node.span), node.path)]
    try:
        found[wish] = shelf.load(wish, base)
    except ConfigurationError as error:
        return list(error.problems)
    return []


def _gaps(checks: Checks, plans: list[Node]) -> list[Problem]:
    """Days between two plans on which nothing is said to hold."""
    spans = []
    for plan in plans:
        since, to = plan.get("from"), plan.get("to")
        first = date.min if since is None else day_of(since)
        last = date.max if to is None else day_of(to)
        if first is not None and last is not None:
            spans.append((first, last, plan))
    spans.sort(key=lambda span: span[0])
    found = []
    for (_, ends, _), (begins, _, plan) in pairwise(spans):
        if ends < date.max and begins > ends + ONE_DAY:
            days = {"first": (ends + ONE_DAY).isoformat(), "last": (begins - ONE_DAY).isoformat()}
            found.append(checks.warn("tariff.gap", plan.get("from") or plan, **days))
    return found


def _contract_checks(root: Node, source: Source) -> list[Problem]:
    """Later contracts come in their order, each from a day of its own."""
    contract, checks, found = root.get("contract"), Checks(root, source), []
    before: date | None = None
    for change in contract.entries("changes") if contract is not None else []:
        node = change.get("from")
        day = day_of(node)
        if node is not None and day is not None and before is not None and day <= before:
            found.append(checks.at("tariff.changes_out_of_order", node, day=node.raw))
        before = day or before
    return found


def make_supply(site: Site, files: SupplyFiles) -> Supply | None:
    """The finished object; None for a site that names no tariff."""
    if site.tariff is None:
        return None
    plans = []
    for one in site.tariff.plans:
        tariff = files.tariffs[one.name]
        calendar = site.tariff.calendar or tariff.calendar
        plans.append(_dated_plan(one, Plan(tariff, files.calendars[calendar])))
    plans.sort(key=lambda plan: plan.first)
    return Supply(tuple(plans), _contracts(site), site.tariff.power_factor_percent)


def _dated_plan(said: TariffPlan, plan: Plan) -> Dated[Plan]:
    return Dated(said.since or date.min, said.to, plan)


def _contracts(site: Site) -> tuple[Dated[Contract], ...]:
    if site.contract is None:
        return ()
    steps = [(date.min, contract_of(site.contract))]
    steps += [(one.since, contract_of(one)) for one in site.contract.changes]
    ends = [*(first - ONE_DAY for first, _ in steps[1:]), None]
    return tuple(Dated(first, last, one) for (first, one), last in zip(steps, ends, strict=True))


def contract_of(said: Capacities) -> Contract:
    """The capacities as a bill counts with them."""
    return Contract(
        *(
            Decimal(str(kw))
            for kw in (said.capacity_kw, said.half_peak_kw, said.saturday_half_peak_kw, said.off_peak_kw)
        )
    )
