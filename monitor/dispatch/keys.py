"""Operators' keys: the site file holds what a key is checked against, never the key."""

import secrets
from collections.abc import Iterable

from config.curtailment import OperatorSettings

BYTES = 18
"""24 letters to copy; nobody guesses them."""


def new_key() -> tuple[str, str]:
    """A key, and what the site file says of it."""
    from argon2 import PasswordHasher

    key = secrets.token_urlsafe(BYTES)
    return key, PasswordHasher().hash(key)


def dispatcher_of(operators: Iterable[OperatorSettings], wanted: str, key: str) -> str | None:
    """Why an operator may not arm anything: a code of the word catalogue; None = this one may."""
    from argon2 import PasswordHasher
    from argon2.exceptions import Argon2Error, InvalidHashError

    found = next((operator for operator in operators if operator.id == wanted), None)
    if found is None:
        return "dispatch.unknown_operator" if wanted else "dispatch.no_operator"
    try:
        PasswordHasher().verify(found.key, key)
    except (Argon2Error, InvalidHashError):
        return "dispatch.wrong_key"
    return None if found.role == "dispatcher" else "dispatch.not_dispatcher"
