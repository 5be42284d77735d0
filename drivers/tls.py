"""TLS to a gateway or a broker: our side's context, and what went wrong in words that lead to the cure."""

import ssl
from pathlib import Path

from drivers.settings import Tls

# OpenSSL's verdicts on a certificate (x509_vfy.h).
_VERDICTS = {
    2: "unknown_authority",
    9: "not_yet_valid",
    10: "expired",
    18: "unknown_authority",
    19: "unknown_authority",
    20: "unknown_authority",
    21: "unknown_authority",
    62: "wrong_name",
    64: "wrong_name",
}
# The far end's alerts about our own certificate; it sends them after what looks like success.
_ABOUT_OURS = (
    "CERTIFICATE_REQUIRED",
    "ALERT_UNKNOWN_CA",
    "BAD_CERTIFICATE",
    "CERTIFICATE_EXPIRED",
    "CERTIFICATE_REVOKED",
    "CERTIFICATE_UNKNOWN",
    "UNSUPPORTED_CERTIFICATE",
    "ACCESS_DENIED",
)
_NOT_TLS = ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "UNEXPECTED_MESSAGE", "RECORD_LAYER_FAILURE")


class TlsFileError(OSError):
    """A certificate or key file that cannot be used."""


def client_context(tls: Tls, folder: Path) -> ssl.SSLContext:
    """What we show and whom we trust. Files are read anew each time: certificates are renewed.

    Parameters
    ----------
    folder : where relative paths count from.

    Raises
    ------
    TlsFileError
        Naming the file and what is wrong with it.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # checks certificate and name
    # A self-signed certificate, or an authority below the root, may be its own 'ca'.
    context.verify_flags |= ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN
    if tls.ca is None:
        context.load_default_certs()
    else:
        try:
            context.load_verify_locations(folder / tls.ca)
        except OSError as error:
            raise _of_file(folder / tls.ca, error) from None
    if tls.certificate is not None:
        own, key = folder / tls.certificate, None if tls.key is None else folder / tls.key
        try:
            # Without a password OpenSSL would ask on the terminal, where nobody sits.
            context.load_cert_chain(own, key, password=_no_password)
        except OSError as error:
            raise _of_file(
                next((f for f in (own, key) if f and not f.is_file()), key or own), error
            ) from None
    return context


def _no_password() -> str:
    return ""


def _of_file(path: Path, error: OSError) -> TlsFileError:
    reason = getattr(error, "reason", None) or error.strerror or str(error)
    return TlsFileError(f"{path}: {str(reason).replace('_', ' ')}")


def tls_trouble(error: BaseException | None) -> str | None:
    """What went wrong, as the last part of a code in the word catalogue; None where it was not TLS."""
    if isinstance(error, TlsFileError):
        return "tls_files"
    if isinstance(error, ssl.SSLCertVerificationError):
        return "tls_" + _VERDICTS.get(error.verify_code, "failed")
    if not isinstance(error, ssl.SSLError):
        return None
    reason = error.reason or str(error)
    if any(word in reason for word in _ABOUT_OURS):
        return "tls_ours_refused"
    return "tls_not_spoken" if any(word in reason for word in _NOT_TLS) else "tls_failed"


def tls_reason(error: ssl.SSLError) -> str:
    """OpenSSL's own words, without its file names and line numbers."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message
    return (error.reason or str(error)).replace("_", " ").lower()
