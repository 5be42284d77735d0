"""How much room a store takes, and what follows from it where a cap was set."""

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

NEAR, EASED = 0.90, 0.97
"""Shares of the cap: from the first on people are told, down to the second readings are given up."""


class Room(Enum):
    """How a store stands to its cap."""

    ENOUGH = "enough"
    NEAR = "near"
    FULL = "full"


@dataclass(frozen=True, slots=True)
class SizeCap:
    """How many bytes the rows of a store may take."""

    bytes_at_most: int

    @property
    def eased_bytes(self) -> int:
        """Down to here readings are given up, so that it is not done again at once."""
        return int(self.bytes_at_most * EASED)

    def room(self, used: int) -> Room:
        """What a size means."""
        if used >= self.bytes_at_most:
            return Room.FULL
        return Room.NEAR if used >= self.bytes_at_most * NEAR else Room.ENOUGH


def used_bytes(path: Path) -> int:
    """What the rows take of a store's file: what was deleted is room for new ones."""
    with closing(
        sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=10.0)
    ) as connection:
        pages, free, size = (
            connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("page_count", "freelist_count", "page_size")
        )
    return int((pages - free) * size)
