"""A new device profile as the text of a YAML file, with a comment wherever a person must look again."""

import json
from collections.abc import Iterable
from dataclasses import dataclass

from config.register_lists import ListedRegister
from config.words import say
from drivers.modbus_profile import Table
from rules.quantities import QUANTITIES, Kind

_FIRST = ("active_power_total", "energy_import", "energy_total", "volume", "flow", "cooling_power")


@dataclass(frozen=True, slots=True)
class NewProfile:
    """What the person told about a device that has no profile yet."""

    name: str
    maker: str
    model: str
    family: str
    source: str
    table: Table
    one_based: bool
    word_order: str
    registers: tuple[ListedRegister, ...]


def profile_text(new: NewProfile, language: str) -> str:
    """The file, its comments in a person's language. Registers without a known quantity are comments, too."""
    known: dict[str, ListedRegister] = {}
    unknown: list[ListedRegister] = []
    for register in new.registers:
        if register.quantity is None or register.quantity in known:
            unknown.append(register)
        else:
            known[register.quantity] = register
    lines = [
        f"profile: {new.name}",
        "version: 1",
        f"maker: {_quoted(new.maker)}",
        f"model: {_quoted(new.model)}",
        f"family: {new.family}",
        "source:",
        f"  - {_quoted(new.source)}",
        "transport: modbus",
        "",
        f"# {say('profiles.file_addressing', language)}",
        f"# {say('profiles.file_word_order', language)}",
        _defaults(new),
        "",
        f"# {say('profiles.file_max_gap', language)}",
        "limits: {max_regs: 60, max_gap: 0}",
        "",
        *_probe(known, language),
        "points:",
        *(_point(name, known[name], new, language) for name in _in_order(known)),
    ]
    if unknown:
        lines += ["", f"  # {say('profiles.file_unknown', language)}"]
        lines += [f"  # {_point('?', register, new, language).strip()}" for register in unknown]
    return "\n".join(lines) + "\n"


def _defaults(new: NewProfile) -> str:
    addressing = "one_based" if new.one_based else "zero_based"
    return f"defaults: {{table: {new.table.value}, addressing: {addressing}, word_order: {new.word_order}}}"


def _in_order(names: Iterable[str]) -> list[str]:
    """What an engineer looks for first comes first; the rest as the list had it."""
    listed = list(names)
    return [name for name in _FIRST if name in listed] + [name for name in listed if name not in _FIRST]


def _probe(known: dict[str, ListedRegister], language: str) -> list[str]:
    if "frequency" not in known:
        return [
            f"# {say('profiles.file_probe', language)}",
            "# probe: {point: voltage_ln_l1, between: [200, 240]}",
            "",
        ]
    return ["probe: {point: frequency, between: [45, 65]}", ""]


def _point(name: str, register: ListedRegister, new: NewProfile, language: str) -> str:
    facts = [
        f"address: {register.address + new.one_based * register.on_wire}",
        f"type: {register.type.value}",
    ]
    if register.table is not None and register.table is not new.table:
        facts.insert(0, f"table: {register.table.value}")
    if register.scale != 1:
        facts.append(f"scale: {register.scale!r}")
    if register.offset != 0:
        facts.append(f"offset: {register.offset!r}")
    if register.unit:
        facts.append(f"unit: {_quoted(register.unit)}")
    kind = QUANTITIES[name].kind if name in QUANTITIES else Kind.GAUGE
    note = "; ".join(text for text in (register.name, register.note) if text)
    line = f"  {name}: {{{', '.join(facts)}}}"
    # Where a counter starts again is in no list: the maker's manual or the display's digits tell.
    doubt = say("profiles.file_rollover", language) if kind is Kind.COUNTER else ""
    comment = "; ".join(text for text in (_one_line(note), doubt) if text)
    return f"{line}  # {comment}" if comment else line


def _quoted(text: str) -> str:
    return json.dumps(_one_line(text), ensure_ascii=False)


def _one_line(text: str) -> str:
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
