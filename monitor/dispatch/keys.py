"""Who may arm a plan: an operator with a key, whose role says so."""

from collections.abc import Iterable

from config.curtailment import OperatorSettings
from monitor.keys import fits


def dispatcher_of(operators: Iterable[OperatorSettings], wanted: str, key: str) -> str | None:
    """Why an operator may not arm anything: a code of the word catalogue; None = this one may."""
    found = next((operator for operator in operators if operator.id == wanted), None)
    if found is None:
        return "dispatch.unknown_operator" if wanted else "dispatch.no_operator"
    if not fits(found.key, key):
        return "dispatch.wrong_key"
    return None if found.role == "dispatcher" else "dispatch.not_dispatcher"
