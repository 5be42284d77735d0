"""Keys of people: the site file holds what a key is checked against, never the key."""

import secrets

BYTES = 18
"""24 letters to copy; nobody guesses them."""


def new_key() -> tuple[str, str]:
    """A key, and what the site file says of it."""
    from argon2 import PasswordHasher

    key = secrets.token_urlsafe(BYTES)
    return key, PasswordHasher().hash(key)


def fits(known_by: str, key: str) -> bool:
    """Whether a key is the one that the site file knows; takes a tenth of a second, so that guessing does."""
    from argon2 import PasswordHasher
    from argon2.exceptions import Argon2Error, InvalidHashError

    try:
        return PasswordHasher().verify(known_by, key)
    except (Argon2Error, InvalidHashError):
        return False
