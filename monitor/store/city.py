"""A city's database in PostgreSQL: the store's own tables, keys led by the site, one role a site.

A site's role sees and writes the rows of its own site alone: row-level security asks for the role that logged
in, which no statement can change. Partitions are made by a function of the owner's, so that a site's role
creates nothing.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Column, Table
from sqlalchemy.dialects import postgresql

from monitor.store import schema
from monitor.store.city_days import SCHEMA, ZONE, days_tables

GROUP, READER = "energy_site", "energy_reader"
ROLE_PREFIX = "energy_"

_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]

# table -> the column that partitions it, and how many of its units are a second
PARTITIONED = {"intervals": ("start_s", 1), "results": ("at_s", 1), "scans": ("at_ms", 1000)}
KEYS = {
    "intervals": ("site", "meter", "start_s"),
    "results": ("site", "kind", "subject", "at_s"),
    "scans": ("site", "layout_id", "at_ms"),
    "layouts": ("site", "id"),
}
_TABLES: dict[str, Table] = {
    "intervals": schema.intervals,
    "results": schema.results,
    "scans": schema.scans,
    "layouts": schema.layouts,
}


def columns(table: str) -> tuple[str, ...]:
    """Names of a table's columns, as they are forwarded."""
    return ("site", *(column.name for column in _own(table)))


def _own(table: str) -> list[Column[Any]]:
    """A table's columns beside the site. A scan's number is its building's own affair."""
    left_out = {"site", "id"} if table == "scans" else {"site"}
    return [column for column in _TABLES[table].columns if column.name not in left_out]


def role_of(site: str) -> str:
    """The role of a site."""
    return ROLE_PREFIX + site


def tables() -> list[str]:
    """SQL that makes everything that is not there yet; safe to run again."""
    return [
        f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}",
        f"CREATE TABLE IF NOT EXISTS {SCHEMA}.sites (site text PRIMARY KEY, role text NOT NULL UNIQUE)",
        _ZONES,
        *(_table(name) for name in _TABLES),
        *days_tables(),
        _OWN_SITE,
        _AHEAD.format(choices=_choices()),
        *_rights(),
    ]


def _table(name: str) -> str:
    lines = ["site text NOT NULL", *map(_column, _own(name))]
    lines.append(f"PRIMARY KEY ({', '.join(KEYS[name])})")
    by = f" PARTITION BY RANGE ({PARTITIONED[name][0]})" if name in PARTITIONED else ""
    return f"CREATE TABLE IF NOT EXISTS {SCHEMA}.{name} ({', '.join(lines)}){by}"


def _column(column: Column[Any]) -> str:
    kind = column.type.dialect_impl(_DIALECT).compile(dialect=_DIALECT)
    return f"{column.name} {kind}{'' if column.nullable else ' NOT NULL'}"


# A zone that the server does not know fails when it is set, and not with each delivery.
_ZONES = f"""
ALTER TABLE {SCHEMA}.sites ADD COLUMN IF NOT EXISTS zone text NOT NULL DEFAULT '{ZONE}'
CHECK (timestamptz 'epoch' AT TIME ZONE zone IS NOT NULL)
"""

_OWN_SITE = f"""
CREATE OR REPLACE FUNCTION {SCHEMA}.own_site() RETURNS text
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = {SCHEMA}, pg_temp
AS $$ SELECT site FROM {SCHEMA}.sites WHERE role = session_user::text $$
"""

# One month a partition. The bounds keep a wrong or wicked clock from making thousands.
_AHEAD = f"""
CREATE OR REPLACE FUNCTION {SCHEMA}.make_ahead(wanted text, at_s bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = {SCHEMA}, pg_temp
AS $$
DECLARE
  units bigint := CASE wanted {{choices}} END;
  first timestamptz := date_trunc('month', to_timestamp(at_s), 'UTC');
  name text := wanted || to_char(first AT TIME ZONE 'UTC', '"_y"YYYY"m"MM');
BEGIN
  IF units IS NULL OR at_s < 631152000 OR first > now() + interval '400 days' THEN
    RAISE EXCEPTION 'no partition of % for %', wanted, first USING ERRCODE = '22023';
  END IF;
  IF to_regclass('{SCHEMA}.' || name) IS NULL THEN
    PERFORM pg_advisory_xact_lock(hashtext('{SCHEMA}.' || name));
    EXECUTE format(
      'CREATE TABLE IF NOT EXISTS {SCHEMA}.%I PARTITION OF {SCHEMA}.%I FOR VALUES FROM (%s) TO (%s)',
      name, wanted, units * extract(epoch FROM first)::bigint,
      units * extract(epoch FROM first + interval '1 month')::bigint);
  END IF;
END $$
"""


def _choices() -> str:
    return " ".join(f"WHEN '{name}' THEN {units}" for name, (_, units) in PARTITIONED.items())


def _rights() -> list[str]:
    statements = []
    for role in (GROUP, READER):
        statements.append(
            f"DO $$ BEGIN CREATE ROLE {role} NOLOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$"
        )
        statements.append(f"GRANT USAGE ON SCHEMA {SCHEMA} TO {role}")
    statements += [
        f"REVOKE ALL ON FUNCTION {SCHEMA}.own_site(), {SCHEMA}.make_ahead(text, bigint) FROM PUBLIC",
        f"GRANT EXECUTE ON FUNCTION {SCHEMA}.own_site(), {SCHEMA}.make_ahead(text, bigint) TO {GROUP}",
        f"GRANT SELECT ON {SCHEMA}.sites TO {READER}",
    ]
    mine = f"site = (SELECT {SCHEMA}.own_site())"
    for name in (*_TABLES, "days"):
        table = f"{SCHEMA}.{name}"
        writes = "" if name == "days" else ", INSERT, UPDATE"
        statements += [
            f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY",
            f"DROP POLICY IF EXISTS own_rows ON {table}",
            f"CREATE POLICY own_rows ON {table} TO {GROUP} USING ({mine}) WITH CHECK ({mine})",
            f"DROP POLICY IF EXISTS every_row ON {table}",
            f"CREATE POLICY every_row ON {table} FOR SELECT TO {READER} USING (true)",
            f"GRANT SELECT{writes} ON {table} TO {GROUP}",
            f"GRANT SELECT ON {table} TO {READER}",
        ]
    return statements


def taking(table: str, staged: str) -> str:
    """SQL that takes staged rows in: no older revision replaces a newer, and the same changes nothing."""
    names = columns(table)
    key = KEYS[table]
    rest = [name for name in names if name not in key]
    newest = ", rev DESC" if "rev" in names else ""
    listed, keys = ", ".join(names), ", ".join(key)
    insert = (
        f"INSERT INTO {SCHEMA}.{table} AS now ({listed}) "
        f"SELECT DISTINCT ON ({keys}) {listed} FROM {staged} ORDER BY {keys}{newest} "
        f"ON CONFLICT ({keys}) "
    )
    if "rev" not in names:
        return insert + "DO NOTHING"
    changes = ", ".join(f"{name} = excluded.{name}" for name in rest)
    now, new = (", ".join(f"{of}.{name}" for name in rest) for of in ("now", "excluded"))
    return insert + (
        f"DO UPDATE SET {changes} WHERE excluded.rev >= now.rev AND ({now}) IS DISTINCT FROM ({new})"
    )


def staging(table: str, staged: str) -> str:
    """SQL of the temporary table that rows are copied into; it empties itself with the transaction."""
    return (
        f"CREATE TEMPORARY TABLE IF NOT EXISTS {staged} ON COMMIT DELETE ROWS AS "
        f"SELECT {', '.join(columns(table))} FROM {SCHEMA}.{table} WITH NO DATA"
    )


def admit(site: str, zone: str = ZONE) -> Sequence[tuple[str, tuple[str, ...]]]:
    """SQL that lets a site's role in, with its parameters; the role itself is the caller's."""
    return [
        (f"INSERT INTO {SCHEMA}.sites (site, role, zone) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING",
         (site, role_of(site), zone)),
    ]  # fmt: skip


NAME_LAYOUT = (
    f"INSERT INTO {SCHEMA}.layouts (site, id, device, part, spec) "
    "VALUES (%s, %s, %s, %s, %s) ON CONFLICT DO NOTHING"
)
