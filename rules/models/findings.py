"""What a model has to say that is no number: a code and its facts, put into words elsewhere."""

from collections.abc import Iterable
from dataclasses import dataclass

Fact = str | int | float


@dataclass(frozen=True, slots=True)
class ModelFinding:
    """One judgement on data or on a fit.

    Attributes
    ----------
    code : names the text, as ``baseline_too_short``.
    refuses : no number may be given while this holds.
    facts : what fills the text, by name.
    """

    code: str
    refuses: bool
    facts: tuple[tuple[str, Fact], ...] = ()

    def fact(self, name: str) -> Fact:
        """Return one fact.

        Raises
        ------
        KeyError : there is no such fact.
        """
        return dict(self.facts)[name]


def refusal(code: str, **facts: Fact) -> ModelFinding:
    """Make a finding that forbids a number."""
    return ModelFinding(code, True, tuple(facts.items()))


def remark(code: str, **facts: Fact) -> ModelFinding:
    """Make a finding that travels with the number."""
    return ModelFinding(code, False, tuple(facts.items()))


def refused(findings: Iterable[ModelFinding]) -> bool:
    """Whether any of them forbids a number."""
    return any(finding.refuses for finding in findings)
