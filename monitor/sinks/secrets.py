"""A sink's token: fetched anew when its file has changed, and after the far side did not know it."""

import logging
from pathlib import Path
from typing import Any

from config.problems import ConfigurationError
from config.secrets import reveal
from config.words import Spoken
from drivers.settings import Secret

log = logging.getLogger(__name__)


class Token:
    """A secret as it is now. ``text`` is never logged.

    Parameters
    ----------
    folder : where a relative path counts from.

    Raises
    ------
    ConfigurationError : it is not there at the start.
    """

    def __init__(self, secret: Secret | None, folder: Path) -> None:
        self._secret = secret
        self._folder = folder
        self._seen = self._mark()
        self.text = "" if secret is None else reveal(secret, folder).strip()

    def renew(self) -> None:
        """Look whether the file is another one now. What cannot be read leaves the token as it was."""
        mark = self._mark()
        if mark == self._seen or self._secret is None:
            return
        self._seen = mark
        try:
            self.text = reveal(self._secret, self._folder).strip()
        except ConfigurationError as error:
            problem = error.problems[0]
            facts: dict[str, Any] = {name: str(value) for name, value in problem.data.items()}
            reason = Spoken(problem.code, **facts)
            log.warning(Spoken("log.token_unreadable", reason=reason))

    def doubt(self) -> None:
        """The far side did not know it: read the file again, whatever its date says."""
        self._seen = None

    def _mark(self) -> tuple[int, int, int] | None:
        if self._secret is None or self._secret.file is None:
            return (0, 0, 0)
        try:
            stat = (self._folder / self._secret.file).stat()
        except OSError:
            return (-1, 0, 0)
        return stat.st_mtime_ns, stat.st_size, stat.st_ino
