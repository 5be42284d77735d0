"""Where imported rows are from: the file, its bytes, who gave it, when, and how it was read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from monitor.store.database import LedgerRefused, StoreError
from monitor.store.ledgers import record_import

MOST_REFUSALS = 20


@dataclass(frozen=True, slots=True)
class Provenance:
    """A file that is imported.

    Attributes
    ----------
    kind : what it holds, as ``intervals``.
    file_name, sha256 : its name as it was given, and its bytes' hash.
    at_ms : when it was imported.
    who : whose command it was.
    declared : JSON of the declaration by which it was read.
    replace : new figures take the place of standing ones.
    """

    kind: str
    file_name: str
    sha256: str
    at_ms: int
    who: str = ""
    declared: str = ""
    replace: bool = False

    def record(self, connection: Connection, site: str, rows: int) -> int:
        """Write down the file; returns its id for the rows."""
        return record_import(
            connection,
            site=site,
            at_ms=self.at_ms,
            kind=self.kind,
            file=self.file_name,
            sha256=self.sha256,
            rows=rows,
            who=self.who,
            declared=self.declared,
        )


class Refusals:
    """What speaks against a file's rows: all of it counted, the first of it told."""

    def __init__(self, of: Provenance) -> None:
        self._file = of.file_name
        self._found: list[StoreError] = []
        self._count = 0

    def add(self, code: str, lines: Sequence[int], told: Sequence[Mapping[str, object]]) -> None:
        """Refuse rows; ``told`` fills the words for the first of them, as many as there are."""
        self._count += len(lines)
        for line, data in zip(lines, told, strict=False):
            self._found.append(StoreError(code, file=self._file, row=int(line), **data))

    def raise_any(self) -> None:
        """Raise LedgerRefused when anything was refused."""
        if not self._count:
            return
        first = sorted(self._found, key=lambda one: one.data["row"])[:MOST_REFUSALS]
        if self._count > len(first):
            first.append(StoreError("store.more_refused", file=self._file, count=self._count - len(first)))
        raise LedgerRefused(first)
