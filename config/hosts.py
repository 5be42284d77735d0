"""Whether a host's name or address can be one at all: what is refused here would never connect."""

import ipaddress
import re

LONGEST_NAME = 253
"""In characters as on the wire, RFC 1035 2.3.4; a label may have 63, which its encoding checks."""


def host_fault(host: str) -> str | None:
    """What is wrong with an address as a code of the word catalogue; None when it looks right."""
    bare = host.strip()
    if not bare:
        return "config.empty"
    if "://" in bare or "/" in bare:
        return "config.host_is_url"
    if bare != host or re.search(r"\s", bare):
        return "config.host_has_space"
    if bare.count(":") == 1:
        return "config.host_has_port"
    return _address_fault(bare) if re.fullmatch(r"[0-9.]+", bare) or ":" in bare else _name_fault(bare)


def _address_fault(address: str) -> str | None:
    try:
        ipaddress.ip_address(address.partition("%")[0].strip("[]"))
    except ValueError:
        return "config.bad_address"
    return None


def _name_fault(name: str) -> str | None:
    labels = name.removesuffix(".").split(".")
    if not all(labels):
        return "config.host_empty_label"
    try:
        # As the resolver will write it: a label of another script is longer on the wire.
        wire = [label.encode("idna") for label in labels]
    except UnicodeError:
        ordinary = all(label.isascii() or label.isalnum() for label in labels)
        return "config.host_too_long" if ordinary else "config.host_bad_letter"
    whole = sum(len(label) + 1 for label in wire) - 1
    return "config.host_too_long" if whole > LONGEST_NAME else None
