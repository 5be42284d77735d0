"""How far a value can be trusted."""

from enum import IntEnum


class Quality(IntEnum):
    """Trust in a value; larger is worse, so that the worst wins with ``max``.

    Stored as one byte. The order is GOOD > ESTIMATED > SUSPECT > MISSING in trust.
    """

    GOOD = 0
    ESTIMATED = 1
    SUSPECT = 2
    MISSING = 3
