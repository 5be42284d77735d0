"""A city's days: what each meter used on each local day, kept by the database itself.

A half-year of quarter hours of a whole city is hundreds of millions of rows; its days are a few million. Each
statement that adds or changes intervals has the days that it touches made anew from the intervals, so that a
day is always the sum of its rows, whatever came twice, late or corrected.
"""

SCHEMA = "energy"
ZONE = "Asia/Taipei"

_TABLE = f"""
CREATE TABLE IF NOT EXISTS {SCHEMA}.days (
  site text NOT NULL, meter text NOT NULL, day date NOT NULL,
  quantity double precision NOT NULL, rows integer NOT NULL, unsure integer NOT NULL,
  lasting_s bigint NOT NULL, covered_s double precision NOT NULL, end_s bigint NOT NULL,
  PRIMARY KEY (site, meter, day)
) WITH (fillfactor = 70)
"""  # a day's row changes with every quarter hour: room on its page keeps that away from the index

_FIGURES = (
    "sum(i.quantity), count(*), count(*) FILTER (WHERE i.quality <> 0), sum(i.duration_s), "
    "sum(i.coverage * i.duration_s), max(i.start_s + i.duration_s)"
)
_NAMES = "quantity, rows, unsure, lasting_s, covered_s, end_s"
_CHANGES = ", ".join(f"{name} = excluded.{name}" for name in _NAMES.split(", "))
_DAY_OF = "(to_timestamp({start}) AT TIME ZONE s.zone)::date"
_STARTS = "extract(epoch FROM ({day})::timestamp AT TIME ZONE t.zone)::bigint"

# Sequential scans are off, or a plan made while a partition was empty would read it whole later.
_MAKE = f"""
CREATE OR REPLACE FUNCTION {SCHEMA}.make_days() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = {SCHEMA}, pg_temp SET enable_seqscan = off
AS $$
BEGIN
  INSERT INTO {SCHEMA}.days (site, meter, day, {_NAMES})
  SELECT t.site, t.meter, t.day, f.*
  FROM (SELECT DISTINCT c.site, c.meter, s.zone, {_DAY_OF.format(start="c.start_s")} AS day
        FROM came c JOIN {SCHEMA}.sites s ON s.site = c.site) t
  CROSS JOIN LATERAL (
    SELECT {_FIGURES} FROM {SCHEMA}.intervals i
    WHERE i.site = t.site AND i.meter = t.meter
      AND i.start_s >= {_STARTS.format(day="t.day")} AND i.start_s < {_STARTS.format(day="t.day + 1")}
  ) f
  ORDER BY 1, 2, 3
  ON CONFLICT (site, meter, day) DO UPDATE SET {_CHANGES};
  RETURN NULL;
END $$
"""

_FIRST_FILL = f"""
INSERT INTO {SCHEMA}.days (site, meter, day, {_NAMES})
SELECT i.site, i.meter, {_DAY_OF.format(start="i.start_s")}, {_FIGURES}
FROM {SCHEMA}.intervals i JOIN {SCHEMA}.sites s ON s.site = i.site
WHERE NOT EXISTS (SELECT FROM {SCHEMA}.days)
GROUP BY 1, 2, 3
"""

_ON = (
    "CREATE OR REPLACE TRIGGER days_{what} AFTER {what} ON {schema}.intervals "
    "REFERENCING NEW TABLE AS came FOR EACH STATEMENT EXECUTE FUNCTION {schema}.make_days()"
)

TOTALS = f"""
SELECT site, meter, sum(quantity) AS quantity, sum(rows) AS rows, sum(unsure) AS unsure,
       sum(covered_s) AS covered_s, count(*) AS days, min(day) AS first, max(day) AS last
FROM {SCHEMA}.days WHERE day BETWEEN :first AND :last AND (:every OR site = :site)
GROUP BY site, meter ORDER BY site, meter
"""
NEWEST = f"""
SELECT s.site, count(DISTINCT d.meter) AS meters, max(d.end_s) AS end_s
FROM {SCHEMA}.sites s LEFT JOIN {SCHEMA}.days d ON d.site = s.site AND d.day >= :since
WHERE (:every OR s.site = :site) GROUP BY s.site ORDER BY s.site
"""
DAYS = f"""
SELECT meter, day, quantity, unsure FROM {SCHEMA}.days
WHERE site = :site AND day BETWEEN :first AND :last ORDER BY meter, day
"""
NEWEST_OF_METERS = f"""
SELECT DISTINCT ON (meter) meter, start_s, duration_s, quantity, quality FROM {SCHEMA}.intervals
WHERE site = :site AND start_s >= :since_s ORDER BY meter, start_s DESC
"""
ZONES = f"SELECT site, zone FROM {SCHEMA}.sites WHERE (:every OR site = :site) ORDER BY site"
KNOWN = f"SELECT site FROM {SCHEMA}.sites WHERE site = :site"


def days_tables() -> list[str]:
    """SQL that makes the days, and fills them where intervals were there before."""
    return [
        _TABLE,
        _MAKE,
        f"REVOKE ALL ON FUNCTION {SCHEMA}.make_days() FROM PUBLIC",
        _FIRST_FILL,
        *(_ON.format(what=what, schema=SCHEMA) for what in ("insert", "update")),
    ]
