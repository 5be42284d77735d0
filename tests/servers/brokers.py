"""A real MQTT broker."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.servers.processes import Program, accepts, free_port, wait_until
from tests.servers.programs import require_program

_KEEP = "persistence true\npersistence_location {folder}/\nautosave_interval 1\nautosave_on_changes true\n"


class Mosquitto:
    """A broker that keeps its port, sessions and retained messages over stop, kill and start."""

    host = "127.0.0.1"

    def __init__(self, folder: Path, extra: str = "", *, persistent: bool = True) -> None:
        self._binary = require_program("mosquitto", "mosquitto")
        self.port = free_port()
        folder.mkdir(parents=True, exist_ok=True)
        self._settings = folder / "mosquitto.conf"
        self._settings.write_text(
            f"listener {self.port} {self.host}\n"
            "allow_anonymous true\n"
            f"{_KEEP.format(folder=folder) if persistent else ''}"
            "log_dest stderr\nlog_type error\nlog_type warning\nlog_type notice\nlog_type information\n"
            f"user {folder.owner()}\n"
            f"{extra}\n"
        )
        self._program: Program | None = None

    def start(self) -> None:
        """Start it, on the same port as before; returns once it accepts."""
        assert self._program is None, "it runs already"
        self._program = Program([self._binary, "-c", self._settings], name="mosquitto")
        wait_until("mosquitto's start", lambda: accepts(self.host, self.port), self._program)

    def stop(self) -> None:
        """Stop it in good order; it saves what it holds. Safe to call twice."""
        if self._program is not None:
            self._program.end()
            self._program = None

    def kill(self) -> None:
        """Kill -9."""
        if self._program is not None:
            self._program.kill()
        self.stop()

    @property
    def log(self) -> str:
        """Output since the last start."""
        return self._program.output if self._program else ""


@contextmanager
def mosquitto(folder: Path, extra: str = "", *, persistent: bool = True) -> Iterator[Mosquitto]:
    """Run a broker: anonymous, persistent, loopback. ``extra`` is added to its configuration."""
    broker = Mosquitto(folder, extra, persistent=persistent)
    try:
        broker.start()
        yield broker
    finally:
        broker.stop()
