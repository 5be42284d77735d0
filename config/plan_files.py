"""Curtailment plans in files of their own, one plan a file: read, and held against the site."""

from pathlib import Path

from config.curtailment import PlanSettings
from config.curtailment_checks import Around, PlanChecks
from config.data_files import read_data_file
from config.positions import Node, Source
from config.problems import ConfigurationError, Problem
from config.site import Site


def read_plans(root: Node, source: Source, site: Around) -> tuple[list[PlanSettings], list[Problem]]:
    """The plans of the files that a site file names, in its order, and what is wrong with them.

    Parameters
    ----------
    root, source : the site file's.
    """
    section = root.get("curtailment")
    found: list[PlanSettings] = []
    problems: list[Problem] = []
    if section is None or section.mapping is None:
        return found, problems
    known = {plan.word("id") for plan in section.entries("plans")}
    for node in section.entries("plan_files"):
        path = None if not node.text or "\0" in node.text else site.base / node.text
        if path is None:
            continue  # what is wrong with it is told by its shape
        if not path.is_file():
            problems.append(Problem("config.no_file", source.place(node.span), node.path))
            continue
        plan = _read(path, site, problems)
        if plan is None:
            continue
        if plan.id in known:
            problems.append(Problem("dispatch.same_id", source.place(node.span), node.path, {"id": plan.id}))
        known.add(plan.id)
        found.append(plan)
    return found, problems


def _read(path: Path, site: Around, problems: list[Problem]) -> PlanSettings | None:
    """Read one file; what is wrong or doubtful in it is added to the problems."""
    try:
        read = read_data_file(
            path, PlanSettings, lambda root, source: PlanChecks(root, source, [root], site).every()
        )
    except ConfigurationError as error:
        problems += error.problems
        return None
    problems += read.warnings
    return read.model


def with_plans(site: Site, plans: list[PlanSettings]) -> Site:
    """The site with the plans of its files behind its own."""
    if not plans:
        return site
    curtailment = site.curtailment
    both = {"plans": (*curtailment.plans, *plans)}
    return site.model_copy(update={"curtailment": curtailment.model_copy(update=both)})
