"""A real VictoriaMetrics: proves the unmodified v2 write of the client."""

import json
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import URLError

from tests.servers.processes import Program, free_port, wait_until
from tests.servers.programs import require_program


def get(url: str, timeout_s: float = 90.0) -> bytes:
    """Body of a GET on loopback."""
    with urllib.request.urlopen(url, timeout=timeout_s) as response:
        body: bytes = response.read()
        return body


def answers(url: str) -> bool:
    """Whether a GET succeeds."""
    try:
        get(url, timeout_s=30.0)
    except (URLError, OSError):
        return False
    return True


class VictoriaMetrics:
    """A time series server that takes ``/api/v2/write`` and keeps its port and data over restarts."""

    def __init__(self, folder: Path) -> None:
        self._binary = require_program("victoria-metrics", "victoria-metrics")
        self._folder = folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._program: Program | None = None

    def start(self) -> None:
        """Start it, on the same port as before; returns once it is healthy."""
        assert self._program is None, "it runs already"
        self._program = Program(
            [
                self._binary,
                f"-httpListenAddr=127.0.0.1:{self.port}",
                f"-storageDataPath={self._folder}",
                "-retentionPeriod=100y",
                "-search.latencyOffset=0s",
                "-search.disableCache",
                "-memory.allowedBytes=128MiB",
            ],
            name="victoria-metrics",
        )
        wait_until("victoria-metrics' start", lambda: answers(f"{self.url}/health"), self._program)

    def stop(self) -> None:
        """Stop it in good order. Safe to call twice."""
        if self._program is not None:
            self._program.end()
            self._program = None

    def kill(self) -> None:
        """Kill -9: what it had not written to disk is gone."""
        if self._program is not None:
            self._program.kill()
        self.stop()

    def export(
        self, match: str = '{__name__!=""}', start_s: float = 0.0, end_s: float = 4e9
    ) -> list[dict[str, Any]]:
        """All series that match, everything written before included.

        Parameters
        ----------
        match : a selector, as ``energy_interval_kwh{meter="main"}``: measurement_field and tags.
        start_s, end_s : seconds since 1970 UTC, inclusive.

        Returns
        -------
        one ``{"metric": {...}, "values": [...], "timestamps": [... ms]}`` a series; parts of one series
        are joined and ordered by time. The same timestamp written twice is there twice.
        """
        get(f"{self.url}/internal/force_flush")
        query = urllib.parse.urlencode({"match[]": match, "start": start_s, "end": end_s})
        joined: dict[str, dict[str, Any]] = {}
        for line in get(f"{self.url}/api/v1/export?{query}").splitlines():
            part = json.loads(line)
            series = joined.setdefault(
                json.dumps(part["metric"], sort_keys=True),
                {"metric": part["metric"], "values": [], "timestamps": []},
            )
            series["values"] += part["values"]
            series["timestamps"] += part["timestamps"]
        for series in joined.values():
            order = sorted(range(len(series["timestamps"])), key=series["timestamps"].__getitem__)
            series["values"] = [series["values"][i] for i in order]
            series["timestamps"] = [series["timestamps"][i] for i in order]
        return [joined[key] for key in sorted(joined)]


@contextmanager
def victoria_metrics(folder: Path) -> Iterator[VictoriaMetrics]:
    """Run a VictoriaMetrics on loopback with its data in ``folder``."""
    server = VictoriaMetrics(folder)
    try:
        server.start()
        yield server
    finally:
        server.stop()
