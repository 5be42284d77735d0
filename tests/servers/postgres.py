"""A real PostgreSQL in a folder of its own."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.servers.certificates import Certificate
from tests.servers.processes import Program, accepts, free_port, wait_until
from tests.servers.programs import require_program

_SETTINGS = """
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
fsync = off
shared_buffers = 32MB
max_connections = 60
password_encryption = 'scram-sha-256'
log_min_messages = warning
timezone = 'UTC'
lc_messages = 'C'
"""
_WHO = "host all postgres 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256\n"


# Sites come in with TLS only, the owner as before.
_WHO_TLS = "host all postgres 127.0.0.1/32 trust\nhostssl all all 127.0.0.1/32 scram-sha-256\n"


class Postgres:
    """A cluster that keeps its port and its data over stop and start; ``postgres`` needs no password."""

    host = "127.0.0.1"

    def __init__(self, folder: Path, tls: Certificate | None = None, settings: str = "") -> None:
        self._postgres = str(Path(require_program("postgres", "postgresql")).resolve())
        self.port = free_port()
        self.url = f"postgresql://postgres@{self.host}:{self.port}/postgres"
        self._data = folder / "data"
        # It refuses to run as root; Debian has a user for it.
        self._as = []
        if os.geteuid() == 0:
            owner = pwd.getpwnam("postgres")
            os.chown(folder, owner.pw_uid, owner.pw_gid)
            self._as = [require_program("setpriv", "util-linux"), "--reuid=postgres", "--regid=postgres",
                        "--clear-groups"]  # fmt: skip
        initdb = str(Path(self._postgres).with_name("initdb"))
        options = ("-U", "postgres", "-E", "UTF8", "--locale=C", "-N", "-A", "trust")
        made = subprocess.run(
            [*self._as, initdb, "-D", self._data, *options],
            capture_output=True, text=True, cwd="/",
        )  # fmt: skip
        assert made.returncode == 0, made.stderr
        with (self._data / "postgresql.conf").open("a") as file:
            file.write(f"{_SETTINGS}port = {self.port}\n{settings}\n")
        (self._data / "pg_hba.conf").write_text(_WHO if tls is None else _WHO_TLS)
        if tls is not None:
            self._show(tls)
        self._program: Program | None = None

    def _show(self, tls: Certificate) -> None:
        """Have the server show this certificate; it uses a key that only its own user reads."""
        for source, name in ((tls.file, "server.crt"), (tls.key, "server.key")):
            shutil.copy(source, self._data / name)
            (self._data / name).chmod(0o600)
            if self._as:
                shutil.chown(self._data / name, "postgres")
        with (self._data / "postgresql.conf").open("a") as file:
            file.write("ssl = on\n")

    def start(self) -> None:
        """Start it; returns once it accepts."""
        assert self._program is None, "it runs already"
        self._program = Program([*self._as, self._postgres, "-D", self._data], name="postgres", cwd="/")
        ready = Path(self._postgres).with_name("pg_isready")
        wait_until("postgres' start", lambda: accepts(self.host, self.port) and not subprocess.run(
            [ready, "-q", "-h", self.host, "-p", str(self.port)]).returncode, self._program)  # fmt: skip

    def stop(self) -> None:
        """Stop it and hang up on everybody. Safe to call twice."""
        if self._program is not None:
            self._program.interrupt()
            self._program.end()
            self._program = None

    def kill(self) -> None:
        """Kill -9, all of it."""
        if self._program is not None:
            self._program.kill()
        self.stop()


@contextmanager
def postgres(tls: Certificate | None = None, settings: str = "") -> Iterator[Postgres]:
    """Run PostgreSQL on loopback, in a temporary folder that its user may enter.

    Parameters
    ----------
    tls : what the server shows; sites must then use TLS.
    settings : more lines of its configuration.
    """
    folder = Path(tempfile.mkdtemp(prefix="postgres-"))
    server = None
    try:
        server = Postgres(folder, tls, settings)
        server.start()
        yield server
    finally:
        if server is not None:
            server.stop()
        shutil.rmtree(folder, ignore_errors=True)
