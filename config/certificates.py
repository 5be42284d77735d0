"""What a PEM file of a certificate or a key is worth, before anybody dials with it."""

import ssl
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

_BEGIN, _END = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
_SEQUENCE, _UTC_TIME, _GENERALIZED_TIME, _VERSION = 0x30, 0x17, 0x18, 0xA0


@dataclass(frozen=True, slots=True)
class Validity:
    """From when to when a certificate holds, seconds since 1970-01-01 UTC."""

    begins_s: float
    ends_s: float


def validities(text: str) -> tuple[Validity, ...]:
    """Of every certificate in a PEM file's text, in its order. ValueError for what is no certificate."""
    return tuple(
        _validity(ssl.PEM_cert_to_DER_cert(_BEGIN + part.partition(_END)[0] + _END))
        for part in text.split(_BEGIN)[1:]
    )


def key_fault(certificate: Path, key: Path | None) -> str | None:
    """What hinders a certificate and its key from being used together; None where nothing does.

    One of ``not_certificate``, ``key_differs``, ``key_encrypted`` and ``not_key``. OSError where a file
    cannot be read.

    Parameters
    ----------
    key : None where the key must be in the certificate's own file.
    """
    text = (key or certificate).read_bytes()
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(certificate, key, password=_no_password)
    except (ssl.SSLError, ValueError) as error:
        if not is_certificate(certificate):
            return "not_certificate"
        if getattr(error, "reason", None) == "KEY_VALUES_MISMATCH":
            return "key_differs"
        return "key_encrypted" if b"ENCRYPTED" in text else "not_key"
    return None


def is_certificate(path: Path) -> bool:
    """Whether OpenSSL finds at least one certificate in a file. OSError where it cannot be read."""
    path.read_bytes()  # whose error says why
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
    except (ssl.SSLError, ValueError):
        return False
    return True


def _no_password() -> str:
    return ""  # OpenSSL would ask on the terminal


def _validity(der: bytes) -> Validity:
    """Walk to the two times: certificate, its body, [version], number, algorithm, issuer, validity [1]_.

    References
    ----------
    .. [1] RFC 5280, section 4.1.
    """
    body = _inside(_inside(der, _SEQUENCE), _SEQUENCE)
    if body[:1] == bytes([_VERSION]):
        body = _after(body)
    for _ in range(3):
        body = _after(body)
    times = _inside(body, _SEQUENCE)
    return Validity(_instant_s(times), _instant_s(_after(times)))


def _extent(data: bytes) -> tuple[int, int]:
    """Where the first value's content begins and ends. ValueError where it is cut."""
    if len(data) < 2:
        raise ValueError("the certificate is cut")
    begin, length = 2, data[1]
    if length & 0x80:
        begin = 2 + (length & 0x7F)
        length = int.from_bytes(data[2:begin], "big")
    if begin + length > len(data):
        raise ValueError("the certificate is cut")
    return begin, begin + length


def _inside(data: bytes, tag: int) -> bytes:
    begin, end = _extent(data)
    if data[0] != tag:
        raise ValueError("no certificate")
    return data[begin:end]


def _after(data: bytes) -> bytes:
    return data[_extent(data)[1] :]


def _instant_s(data: bytes) -> float:
    begin, end = _extent(data)
    text = data[begin:end].decode("ascii")
    if data[0] == _UTC_TIME:  # two digits of the year: 50 to 99 are of the last century
        text = ("19" if text[:2] >= "50" else "20") + text
    elif data[0] != _GENERALIZED_TIME:
        raise ValueError("no certificate")
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC).timestamp()
