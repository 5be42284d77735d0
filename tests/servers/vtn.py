"""A utility's VTN, run for a test: openleadr's own server as a process."""

import hashlib
import json
import ssl
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.servers.processes import PATIENCE_S, Program, free_port, run_program

PATH = "/OpenADR2/Simple/2.0b"


@dataclass(slots=True)
class Vtn:
    """A running VTN, and what it can be told to do."""

    port: int
    control: int
    scheme: str = "http"

    @property
    def url(self) -> str:
        """Where a VEN finds it."""
        return f"{self.scheme}://127.0.0.1:{self.port}{PATH}"

    def tell(self, do: str, **wish: Any) -> Any:
        """Have it do something; gives its answer."""
        body = json.dumps({"do": do, **wish}).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.control}/", body)
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
            return json.load(answer)

    def heard(self, kind: str) -> list[dict[str, Any]]:
        """What the VEN sent of a kind."""
        return [one for one in self.tell("heard")["heard"] if one["kind"] == kind]

    def opts(self, event: str) -> list[tuple[int, str]]:
        """How the VEN answered an event: number of its change, and the opt."""
        answers = [opt for one in self.heard("oadrCreatedEvent") for opt in one["opts"]]
        return [(number, opt) for id_, number, opt in answers if id_ == event]

    def reported(self) -> list[tuple[str, str, float]]:
        """Resource, instant and value of what was reported."""
        return [tuple(one) for one in self.tell("heard")["reported"]]


def fingerprint_of(certificate: Path) -> str:
    """Of a certificate, as OpenADR has it: the last ten bytes of its SHA-256."""
    der = ssl.PEM_cert_to_DER_cert(certificate.read_text())
    return ":".join(f"{byte:02X}" for byte in hashlib.sha256(der).digest()[-10:])


@contextmanager
def vtn(port: int | None = None, **options: Any) -> Iterator[tuple[Vtn, Program]]:
    """Run one; ``options`` are those of ``tests.servers.vtn_process``."""
    one = Vtn(port or free_port(), free_port(), "https" if "http_cert" in options else "http")
    command = [sys.executable, "-m", "tests.servers.vtn_process", str(one.port), str(one.control)]
    with run_program(
        [*command, json.dumps(options)], name="vtn", covered=False, traceback_is_fine=True
    ) as program:
        program.wait_for_line("^ready$", timeout_s=PATIENCE_S)
        yield one, program
