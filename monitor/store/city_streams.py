"""A site's rows in a city's database as a stream, as a building's own store gives them."""

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Engine, bindparam, text

from monitor.store.city_days import SCHEMA
from monitor.store.streams import LATE_MS, ROWS_A_BLOCK, RowStreams, Span

_WHICH = f"""
FROM {SCHEMA}.scans WHERE site = :site AND layout_id IN :layouts AND at_ms >= :first_ms AND at_ms < :last_ms
"""
_COUNT = text(f"SELECT count(*) {_WHICH}").bindparams(bindparam("layouts", expanding=True))
_ROWS = text(f"SELECT layout_id, at_ms, vals, quality {_WHICH} ORDER BY at_ms, layout_id").bindparams(
    bindparam("layouts", expanding=True)
)


class CityStreams(RowStreams):
    """The same of a city: a scan has no number there, and comes in order of its instant."""

    def __init__(self, engine: Engine, site: str) -> None:
        super().__init__(engine.execution_options(schema_translate_map={None: SCHEMA}), site)

    def scan_ids(self, span: Span, late_ms: int = LATE_MS) -> tuple[int, int]:
        """First and last of the numbers that the scans of a span are given here."""
        with self._engine.connect() as connection:
            return 1, int(connection.execute(_COUNT, self._of(span, list(self.layouts()))).scalar_one())

    def scans(self, span: Span, layouts: Sequence[int], ids: tuple[int, int]) -> Iterator[Sequence[Any]]:
        """Rows of number, layout id, instant [ms], values and qualities, in order of their instants."""
        number = ids[0] - 1
        with self._engine.connect() as connection:
            options = connection.execution_options(yield_per=ROWS_A_BLOCK)
            for rows in options.execute(_ROWS, self._of(span, layouts)).partitions():
                yield [(number + place, *row) for place, row in enumerate(rows, start=1)]
                number += len(rows)

    def _of(self, span: Span, layouts: Sequence[int]) -> dict[str, Any]:
        which = {"site": self._site, "layouts": list(layouts) or [-1]}  # no list may be empty
        return {**which, "first_ms": 1000 * span.first_s, "last_ms": 1000 * span.last_s}
