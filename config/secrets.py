"""Secrets are named in the site file and kept elsewhere; they are fetched when they are needed."""

import os
import stat
from pathlib import Path

from config.problems import ConfigurationError, Place, Problem
from drivers.settings import Secret


def reveal(secret: Secret, base: Path) -> str:
    """Fetch a secret.

    Parameters
    ----------
    secret : where it is kept.
    base : folder from which a relative path counts: the site file's.

    Returns
    -------
    The secret without the one newline that editors put at the end of a file.

    Raises
    ------
    ConfigurationError
        When it is not there, cannot be read or is empty; never with any part of the secret.
    """
    if secret.env is not None:
        text = os.environ.get(secret.env)
        if text is None:
            raise _error("config.secret_env_missing", secret.env, name=secret.env)
        if not text:
            raise _error("config.secret_env_empty", secret.env, name=secret.env)
        return text
    path = base / str(secret.file)
    try:
        text = path.read_bytes().decode("utf-8")
    except FileNotFoundError:
        raise _error("config.secret_file_missing", path, path=path) from None
    except UnicodeDecodeError:
        raise _error("config.secret_not_text", path) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise _error("config.secret_unreadable", path, path=path, reason=reason) from None
    text = text.removesuffix("\n").removesuffix("\r")
    if not text:
        raise _error("config.secret_file_empty", path, path=path)
    return text


def is_open_to_all(path: Path) -> bool:
    """Whether everybody on this machine may read a file."""
    try:
        return bool(path.stat().st_mode & stat.S_IROTH)
    except OSError:
        return False


def _error(code: str, where: str | Path, **data: object) -> ConfigurationError:
    named = {name: str(value) for name, value in data.items()}
    return ConfigurationError([Problem(code, Place(str(where)), data=named)])
