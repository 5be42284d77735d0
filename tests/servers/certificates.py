"""Certificates for tests, made with openssl: an authority, and what it signs."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.servers.programs import require_program

_NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate and its key, as PEM files."""

    file: Path
    key: Path


class Authority:
    """Somebody who signs certificates.

    Attributes
    ----------
    own : the certificate to trust.
    """

    def __init__(self, folder: Path, name: str = "authority") -> None:
        self._binary = require_program("openssl", "openssl")
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.own = Certificate(folder / f"{name}.pem", folder / f"{name}.key")
        subject = ("-x509", "-days", "30", "-subj", f"/CN={name}")
        self._openssl("req", *_NEW_KEY, *subject, "-keyout", self.own.key, "-out", self.own.file)

    def sign(self, name: str, *, alternatives: str = "", days: int = 30) -> Certificate:
        """A certificate for a name and others (``DNS:broker,IP:127.0.0.1``); negative days: expired."""
        made = Certificate(self._folder / f"{name}.pem", self._folder / f"{name}.key")
        request = self._folder / f"{name}.csr"
        more = ("-addext", f"subjectAltName={alternatives}") if alternatives else ()
        self._openssl("req", *_NEW_KEY, "-subj", f"/CN={name}", *more, "-keyout", made.key, "-out", request)
        signer = ("-CA", self.own.file, "-CAkey", self.own.key, "-CAcreateserial", "-copy_extensions", "copy")
        self._openssl("x509", "-req", "-in", request, *signer, "-days", str(days), "-out", made.file)
        return made

    def _openssl(self, *arguments: str | Path) -> None:
        subprocess.run([self._binary, *arguments], check=True, capture_output=True)
