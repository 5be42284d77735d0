"""``energy-monitor fleet init|add-site``: a city's database made ready, and a role for each site."""

import os
import re
import secrets
import sys
from pathlib import Path

import psycopg
from psycopg import sql

from config.words import say
from monitor.cli.words import tell
from monitor.sinks.http import one_line
from monitor.store.city import GROUP, admit, role_of, tables
from monitor.store.city_days import SCHEMA, ZONE

FINE, PROBLEM, WRONG_USE = 0, 1, 2
_SITE = re.compile(r"[a-z0-9][a-z0-9_-]{0,55}")


def run_init(database: str, language: str) -> int:
    """Make schema, tables, roles and policies; what is there already stays."""
    try:
        with _connect(database) as connection:
            for statement in tables():
                connection.execute(statement.encode())
    except psycopg.Error as error:
        return _refused(error, language)
    sys.stdout.write(say("fleet.ready", language) + "\n")
    return FINE


def run_add_site(
    database: str, site: str, password_file: Path, language: str, *, renew: bool, zone: str = ZONE
) -> int:
    """Make a site's role with a password of its own, kept in a file that only its owner reads."""
    if not _SITE.fullmatch(site):
        tell(say("fleet.bad_site", language, site=site))
        return WRONG_USE
    if password_file.exists():
        tell(say("fleet.file_exists", language, path=password_file))
        return WRONG_USE
    role, password = role_of(site), secrets.token_urlsafe(32)
    try:
        with _connect(database) as connection:
            known = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (role,)).fetchone()
            if known and not renew:
                tell(say("fleet.known", language, site=site, role=role))
                return PROBLEM
            words = "ALTER ROLE {} LOGIN PASSWORD {}" if known else "CREATE ROLE {} LOGIN PASSWORD {}"
            connection.execute(sql.SQL(words).format(sql.Identifier(role), sql.Literal(password)))
            connection.execute(sql.SQL("GRANT {} TO {}").format(sql.Identifier(GROUP), sql.Identifier(role)))
            for statement, values in admit(site, zone):
                connection.execute(statement.encode(), values)
            _keep(password_file, password)
    except psycopg.Error as error:
        return _refused(error, language)
    sys.stdout.write(say("fleet.added", language, site=site, role=role, path=password_file) + "\n")
    return FINE


def _connect(database: str) -> "psycopg.Connection[tuple[object, ...]]":
    return psycopg.connect(database, connect_timeout=10, client_encoding="utf8")


def _keep(path: Path, password: str) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(password + "\n")


def _refused(error: psycopg.Error, language: str) -> int:
    code = "fleet.failed"
    if error.sqlstate == "42501":
        code = "fleet.no_rights"
    elif error.sqlstate in ("42P01", "3F000", "42704"):
        code = "fleet.not_ready"
    elif error.sqlstate is None:
        code = "fleet.unreachable"
    tell(say(code, language, reason=one_line(str(error)), schema=SCHEMA))
    return PROBLEM
