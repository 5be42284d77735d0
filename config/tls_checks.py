"""TLS of buses, looked at before anybody dials: the files, and where TLS has no place.

What may come later, as an authority that signs next week, is a warning; what can never work is an error for
``check``. For the daemon it is a warning too: a certificate that was renewed wrongly stops its own bus alone.
"""

from collections.abc import Generator, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from config.certificates import is_certificate, key_fault, validities
from config.checking import Checks
from config.openadr_checks import openadr_of
from config.positions import Node, Source
from config.problems import Problem

_WITHOUT_TLS = {"modbus_rtu": "config.tls_on_serial", "modbus_rtu_tcp": "config.tls_on_rtu_tcp"}
_FAULTS = {
    "not_certificate": "config.tls_not_certificate",
    "not_key": "config.tls_not_key",
    "key_differs": "config.tls_key_differs",
    "key_encrypted": "config.tls_key_encrypted",
}


def check_tls(root: Node, source: Source, base: Path, now_s: float | None) -> list[Problem]:
    """Everything about the TLS of buses, of brokers that results go to, and of OpenADR.

    Parameters
    ----------
    base : folder from which relative paths count.
    now_s : seconds since 1970-01-01 UTC, against which certificates are held. None: dates are not judged, and
        a file that is no certificate is a warning.
    """
    checks = _TlsChecks(root, source, base, now_s)
    brokers = [sink for sink in root.entries("sinks") if sink.word("kind") == "mqtt"]
    openadr = openadr_of(root)
    dialled = [*root.entries("buses"), *brokers, *([] if openadr is None else [openadr])]
    return [problem for one in dialled for problem in checks.bus(one)]


class _TlsChecks(Checks):
    def __init__(self, root: Node, source: Source, base: Path, now_s: float | None) -> None:
        super().__init__(root, source)
        self.base = base
        self.now_s = now_s

    def bus(self, bus: Node) -> Iterator[Problem]:
        tls = bus.get("tls")
        if tls is None:
            return
        code = _WITHOUT_TLS.get(bus.word("kind") or "")
        if code:
            tls.broken = True  # said here: it is no unknown key
            yield Problem(code, self.source.place(tls.label), tls.path)
        elif tls.mapping is not None:
            yield from self._authority(tls.get("ca"))
            yield from self._own(tls)

    def _authority(self, ca: Node | None) -> Iterator[Problem]:
        if ca is None or (path := self._path(ca)) is None:
            return
        found = yield from self._read(ca, path)
        if found is None:
            return
        if not is_certificate(path):
            yield self._wrong("config.tls_not_certificate", ca, path=ca.raw)
        else:
            yield from self._dates(ca, found)

    def _own(self, tls: Node) -> Iterator[Problem]:
        own, key = tls.get("certificate"), tls.get("key")
        if own is None:
            if key is not None:
                yield self.at("config.tls_key_alone", key)
            return
        path, key_path = self._path(own), None if key is None else self._path(key)
        if path is None or (key is not None and key_path is None):
            return
        found = yield from self._read(own, path)
        if key is not None and key_path is not None and (yield from self._read(key, key_path)) is None:
            return
        if found is None:
            return
        fault = key_fault(path, key_path)
        if fault is not None:
            node = own if fault == "not_certificate" or key is None else key
            code = "config.tls_no_key" if fault == "not_key" and key is None else _FAULTS[fault]
            yield self._wrong(code, node, path=node.raw, certificate=own.raw)
        else:
            yield from self._dates(own, found, only_first=True)

    def _path(self, node: Node) -> Path | None:
        """Where a file would be; None for what is no path, which is told elsewhere."""
        return None if not node.text or "\0" in node.text else self.base / node.text

    def _wrong(self, code: str, node: Node, **data: Any) -> Problem:
        problem = self.at(code, node, **data)
        return problem if self.now_s is not None else replace(problem, warning=True)

    def _read(self, node: Node, path: Path) -> Generator[Problem, None, str | None]:
        """The file's text, or why there is none."""
        try:
            return path.read_bytes().decode("latin-1")
        except IsADirectoryError:
            yield self._wrong("config.tls_is_folder", node, path=node.raw)
        except FileNotFoundError:
            yield self.warn("config.tls_file_missing", node, path=node.raw)
        except OSError as error:
            reason = error.strerror or str(error)
            yield self.warn("config.tls_file_unreadable", node, path=node.raw, reason=reason)
        return None

    def _dates(self, node: Node, text: str, *, only_first: bool = False) -> Iterator[Problem]:
        """Whether the time is past: of our own chain the first counts, of authorities any one may serve."""
        if self.now_s is None:
            return
        try:
            found = validities(text)[: 1 if only_first else None]
        except ValueError:
            return  # OpenSSL takes it; more need not be known
        last_s = max((one.ends_s for one in found), default=self.now_s)
        first_s = min((one.begins_s for one in found), default=self.now_s)
        if self.now_s > last_s:
            yield self.warn("config.tls_expired", node, path=node.raw, day=_day(last_s))
        elif self.now_s < first_s:
            yield self.warn("config.tls_not_yet_valid", node, path=node.raw, day=_day(first_s))


def _day(instant_s: float) -> str:
    return datetime.fromtimestamp(instant_s, UTC).date().isoformat()
