"""Why there is no connection to a broker, as the broker, the operating system or OpenSSL tells it."""

import errno
import os
import re
import ssl

from drivers.inbox import Down
from drivers.tls import tls_reason, tls_trouble

_SAID = {
    "Bad user name or password": "mqtt.login_refused",
    "Not authorized": "mqtt.login_refused",
    "Session taken over": "mqtt.session_taken",
}


def said_down(name: str) -> Down:
    """What a broker's reason code, by its name, means when it does not take us in or hangs up."""
    return Down(_SAID.get(name, "mqtt.broker_lost"), name)


def down_of(error: Exception) -> Down:
    """The text about an error of dialling, reading or writing."""
    trouble = tls_trouble(error)
    if trouble is not None:
        return Down(f"mqtt.{trouble}", tls_reason(error) if isinstance(error, ssl.SSLError) else str(error))
    number = error.errno if isinstance(error, OSError) else None
    # With many addresses the loop strings their errors together.
    found = re.search(r"\[Errno (\d+)\]", str(error))
    if number is None and found:
        number = int(found[1])
    if isinstance(error, TimeoutError):
        number = errno.ETIMEDOUT
    words = os.strerror(number) if number is not None and number > 0 else getattr(error, "strerror", None)
    return Down("mqtt.broker_lost", words or str(error) or type(error).__name__)
