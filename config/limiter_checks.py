"""What does not fit together in ``limiter``: its plan, its limits, each with its place."""

from collections.abc import Iterable, Iterator

from config.checking import Checks, number_of
from config.positions import Node, Source
from config.problems import Problem, did_you_mean

_STRENGTH = ("monitor-only", "dry-run", "live")

_DEFAULTS = {"shed_at_percent": 98.0, "back_at_percent": 93.0}


def check_limiter(root: Node, source: Source, others: Iterable[str] = ()) -> list[Problem]:
    """Everything that is wrong in the limiter of a site file.

    Parameters
    ----------
    others : ids of plans that stand in files of their own.
    """
    section = root.get("limiter")
    if section is None or section.mapping is None:
        return []
    curtailment = root.get("curtailment")
    plans = [] if curtailment is None else curtailment.entries("plans")
    checks = _LimiterChecks(section, source, plans, others)
    return [*checks.plan(), *checks.mode(), *checks.limit(root), *checks.shares()]


class _LimiterChecks(Checks):
    def __init__(self, root: Node, source: Source, plans: list[Node], others: Iterable[str]) -> None:
        super().__init__(root, source)
        here = {plan.word("id") or "": plan for plan in plans if plan.mapping is not None}
        self.plans = {*others, *here}
        # A plan in a file of its own is held against its mode once it runs.
        self.modes = {name: plan.word("mode") or "dry-run" for name, plan in here.items()}

    def plan(self) -> Iterator[Problem]:
        """A plan that there is."""
        named = self.root.get("plan")
        if named is not None and named.text is not None and named.text not in self.plans:
            yield self.at(
                "limiter.unknown_plan", named, did_you_mean(named.text, self.plans), plan=named.text
            )

    def mode(self) -> Iterator[Problem]:
        """No stronger than its plan's."""
        node, plan = self.root.get("mode"), self.root.word("plan") or ""
        own = self.modes.get(plan)
        if node is None or node.text not in _STRENGTH or own not in _STRENGTH:
            return
        if _STRENGTH.index(node.text) > _STRENGTH.index(own):
            yield self.at("limiter.mode_stronger", node, mode=node.text, plan=plan, own=own)

    def limit(self, root: Node) -> Iterator[Problem]:
        """A limit, and meters whose window is held against it."""
        if self.root.get("limit_kw") is None and root.get("contract") is None:
            yield self.at("limiter.no_limit", self.root)
        commodities = root.get("commodities")
        electricity = None if commodities is None else commodities.get("electricity")
        if electricity is None or not electricity.entries("meters"):
            yield self.at("limiter.no_meters", self.root)

    def shares(self) -> Iterator[Problem]:
        """Room between shedding and handing back."""
        shed, back = (number_of(self.root, key, default) for key, default in _DEFAULTS.items())
        if back >= shed:
            node = self.root.get("back_at_percent") or self.root.get("shed_at_percent") or self.root
            yield self.at("limiter.no_room", node, shed=f"{shed:g}", back=f"{back:g}")
