"""Putting efficiency measures into the store, and reading them."""

from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

from sqlalchemy import Connection, Engine, delete, insert, select

from monitor.store.answer_tables import measures
from monitor.store.database import LedgerRefused, StoreError
from monitor.store.deliveries import write_audit
from monitor.store.ledgers import ImportOutcome
from monitor.store.provenance import Provenance
from rules.measures import Measure


@dataclass(frozen=True, slots=True)
class MeasuresRequest:
    """A file's measures: all of them or none."""

    provenance: Provenance
    rows: tuple[Measure, ...]

    @property
    def file_name(self) -> str:
        """The file's name as it was given."""
        return self.provenance.file_name


def import_measures(engine: Engine, site: str, request: MeasuresRequest) -> ImportOutcome:
    """Put measures into the store. The engine is the writer's. One that stands already is left alone.

    Raises
    ------
    LedgerRefused : a measure says otherwise than the standing one of its id, without ``replace``.
    """
    given = request.provenance
    with engine.begin() as connection:
        standing = {one.id: one for one in _all(connection, site)}
        added = [one for one in request.rows if one.id not in standing]
        changed = [one for one in request.rows if one.id in standing and standing[one.id] != one]
        if changed and not given.replace:
            raise LedgerRefused(
                [StoreError("store.measure_changed", file=given.file_name, id=one.id) for one in changed]
            )
        if added or changed:
            import_id = given.record(connection, site, len(request.rows))
            for one in changed:
                connection.execute(delete(measures).where(measures.c.site == site, measures.c.id == one.id))
                detail = {"old": _row(standing[one.id]), "new": _row(one)}
                write_audit(connection, site, given.at_ms, given.who, "measures.replace", detail)
            rows = [{"site": site, **_row(one), "import_id": import_id} for one in (*added, *changed)]
            connection.execute(insert(measures), rows)
    unchanged = len(request.rows) - len(added) - len(changed)
    return ImportOutcome(len(added), unchanged, len(changed))


def read_measures(engine: Engine, site: str) -> list[Measure]:
    """The measures of a site, by day and id; those without a day last."""
    with engine.connect() as connection:
        found = _all(connection, site)
    return sorted(found, key=lambda one: (one.start or date.max, one.id))


def _all(connection: Connection, site: str) -> list[Measure]:
    names = [name for name in Measure.__dataclass_fields__ if name not in ("start", "priced_on")]
    return [
        Measure(
            **{name: row[name] for name in names},
            start=_day(row["start"]),
            priced_on=_day(row["priced_on"]),
        )
        for row in connection.execute(select(measures).where(measures.c.site == site)).mappings()
    ]


def _day(text: str | None) -> date | None:
    return None if text is None else date.fromisoformat(text)


def _row(one: Measure) -> dict[str, Any]:
    facts = asdict(one)
    return facts | {key: facts[key] and facts[key].isoformat() for key in ("start", "priced_on")}
