"""Files as bytes, with the reason in words where they cannot be read."""

from pathlib import Path

from config.positions import unreadable
from config.problems import ConfigurationError, Place, Problem

LARGEST_BYTES = 1024**3


def read_bytes(path: Path) -> bytes:
    """All of a file, or ConfigurationError that says why not."""
    try:
        if path.stat().st_size > LARGEST_BYTES:
            megabytes = LARGEST_BYTES // 1024**2
            raise ConfigurationError(
                [Problem("config.too_large", Place(str(path)), data={"megabytes": megabytes})]
            )
        return path.read_bytes()
    except OSError as error:
        raise ConfigurationError([unreadable(path, error)]) from None
