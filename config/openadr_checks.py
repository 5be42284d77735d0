"""What does not fit together in ``curtailment.openadr``: plans, levels, operator, meters, with its place."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from config.checking import Checks, number_of
from config.curtailment import PlanSettings
from config.openadr import OpenAdrSettings
from config.positions import Node, Source
from config.problems import ConfigurationError, Problem, did_you_mean
from config.programme_texts import programme_names, programme_on
from config.site import Commodity

_UNKNOWN_AFTER_S = OpenAdrSettings.model_fields["unknown_after_s"].default
_ANY_DAY = date(2025, 7, 1)
"""Whether there is such a programme does not depend on the day, only which of its texts holds."""


@dataclass(frozen=True, slots=True)
class _Plan:
    """What is held against a plan, wherever it stands."""

    is_live: bool
    expected_kw: float


def _plan_of(plan: Node) -> _Plan:
    expected_kw = sum(number_of(action, "expected_kw") for action in plan.entries("actions"))
    return _Plan(plan.word("mode") == "live", expected_kw)


def openadr_of(root: Node) -> Node | None:
    """The section of a site file, where it has one."""
    curtailment = root.get("curtailment")
    section = None if curtailment is None else curtailment.get("openadr")
    return section if section is not None and section.mapping is not None else None


def check_openadr(
    root: Node, source: Source, base: Path, others: Iterable[PlanSettings] = ()
) -> list[Problem]:
    """Everything that is wrong in the OpenADR of a site file.

    Parameters
    ----------
    others : plans that stand in files of their own.
    """
    section = openadr_of(root)
    if section is None:
        return []
    checks = _OpenAdrChecks(section, source, root, others)
    return [*checks.rules(base), *checks.armed(), *checks.tls(), *checks.reports(), *checks.silence()]


class _OpenAdrChecks(Checks):
    def __init__(self, section: Node, source: Source, root: Node, others: Iterable[PlanSettings]) -> None:
        super().__init__(section, source)
        curtailment = root.get("curtailment") or section
        self.plans = {one.word("id") or "": _plan_of(one) for one in curtailment.entries("plans")}
        for plan in others:
            expected_kw = sum(action.expected_kw for action in plan.actions)
            self.plans[plan.id] = _Plan(plan.mode == "live", expected_kw)
        self.operators = {one.word("id") or "": one for one in curtailment.entries("operators")}
        self.meters = {one.word("id") or "": one for one in root.entries("meters")}

    def rules(self, base: Path) -> Iterator[Problem]:
        """Plans and programmes that there are, and levels that the plan can give."""
        for rule in self.root.entries("rules"):
            yield from self._plan(rule)
            yield from self._levels(rule)
            yield from self._programme(rule, base)

    def _plan(self, rule: Node) -> Iterator[Problem]:
        plan = rule.get("plan")
        if plan is not None and plan.text is not None and plan.text not in self.plans:
            yield self.at("openadr.unknown_plan", plan, did_you_mean(plan.text, self.plans), plan=plan.text)

    def _levels(self, rule: Node) -> Iterator[Problem]:
        levels = rule.get("levels")
        if levels is None or levels.mapping is None:
            return
        if rule.word("signal") == "LOAD_DISPATCH":
            yield self.at("openadr.levels_of_power", levels)
        plan = self.plans.get(rule.word("plan") or "")
        if plan is None:
            return
        for kw in levels.mapping.values():
            if kw.number is not None and not 0 < kw.number <= plan.expected_kw:
                yield self.at("openadr.level_beyond", kw, value=kw.raw, expected=f"{plan.expected_kw:g}")

    def _programme(self, rule: Node, base: Path) -> Iterator[Problem]:
        node = rule.get("programme")
        if node is None or not node.text:
            return
        try:
            programme_on(node.text, _ANY_DAY, base)
        except ConfigurationError as error:
            if any(problem.code != "dr.no_text_on_day" for problem in error.problems):
                hint = did_you_mean(node.text, programme_names())
                yield self.at("openadr.unknown_programme", node, hint, programme=node.text)

    def armed(self) -> Iterator[Problem]:
        """What is live needs a dispatcher with a key."""
        operator, key = self.root.get("operator"), self.root.get("operator_key")
        if operator is not None and operator.text is not None:
            known = self.operators.get(operator.text)
            if known is None:
                hint = did_you_mean(operator.text, self.operators)
                yield self.at("openadr.unknown_operator", operator, hint, operator=operator.text)
            elif known.word("role") != "dispatcher":
                yield self.at("openadr.not_dispatcher", operator, operator=operator.text)
        if (operator is None) != (key is None):
            yield self.at("openadr.operator_and_key", operator if operator is not None else key or self.root)
        if operator is not None or (self.root.word("mode") or "live") != "live":
            return
        for rule in self.root.entries("rules"):
            plan = self.plans.get(rule.word("plan") or "")
            if plan is not None and plan.is_live:
                yield self.at("openadr.nobody_arms", rule.get("plan") or rule)

    def tls(self) -> Iterator[Problem]:
        """TLS has a place only at an address with https, and signing needs a certificate."""
        tls, url, sign = (self.root.get(key) for key in ("tls", "vtn_url", "sign"))
        if tls is not None and url is not None and (url.text or "").startswith("http://"):
            yield self.at("openadr.tls_without_https", url)
        own = [] if tls is None else [key for key in ("certificate", "key") if tls.word(key)]
        if sign is not None and sign.value is True and len(own) < 2:
            yield self.at("openadr.sign_without_key", sign)

    def reports(self) -> Iterator[Problem]:
        """Meters of electricity that there are, each once."""
        seen: set[str] = set()
        for report in self.root.entries("reports"):
            meter = report.get("meter")
            if meter is None or meter.text is None:
                continue
            known = self.meters.get(meter.text)
            if known is None:
                yield self.at(
                    "openadr.unknown_meter", meter, did_you_mean(meter.text, self.meters), meter=meter.text
                )
            elif known.word("commodity") != Commodity.ELECTRICITY:
                yield self.at("openadr.not_electricity", meter, meter=meter.text)
            if meter.text in seen:
                yield self.at("openadr.meter_twice", meter, meter=meter.text)
            seen.add(meter.text)

    def silence(self) -> Iterator[Problem]:
        """A signal outlives some questions that were not answered."""
        node = self.root.get("unknown_after_s")
        poll_s = number_of(self.root, "poll_s", 0.0)
        unknown_after_s = number_of(self.root, "unknown_after_s", _UNKNOWN_AFTER_S)
        if unknown_after_s < 2 * poll_s:
            at = node if node is not None else self.root.get("poll_s") or self.root
            yield self.at("openadr.unknown_too_soon", at, poll=f"{poll_s:g}", after=f"{unknown_after_s:g}")
