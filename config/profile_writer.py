"""A new device profile as the text of a YAML file, with a comment wherever a person must look again."""

import json
from collections.abc import Iterable
from dataclasses import dataclass

from config.register_lists import ListedRegister
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


def profile_text(new: NewProfile) -> str:
    """The file. Registers whose quantity is not known stand in it as comments."""
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
        "# zero_based: addresses as they go on the wire. one_based: as many makers print them, one higher.",
        "# word_order: little where the low word of a 32-bit value comes first.",
        _defaults(new),
        "",
        "# max_gap 0 reads no register that is not listed; raise it when the device answers for gaps too.",
        "limits: {max_regs: 60, max_gap: 0}",
        "",
        *_probe(known),
        "points:",
        *(_point(name, known[name], new.table, new.one_based) for name in _in_order(known)),
    ]
    if unknown:
        lines += ["", "  # Which of the product's quantities are these? Name them and take the # away."]
        lines += [f"  # {_point('?', register, new.table, new.one_based).strip()}" for register in unknown]
    return "\n".join(lines) + "\n"


def _defaults(new: NewProfile) -> str:
    addressing = "one_based" if new.one_based else "zero_based"
    return f"defaults: {{table: {new.table.value}, addressing: {addressing}, word_order: {new.word_order}}}"


def _in_order(names: Iterable[str]) -> list[str]:
    """What an engineer looks for first comes first; the rest as the list had it."""
    listed = list(names)
    return [name for name in _FIRST if name in listed] + [name for name in listed if name not in _FIRST]


def _probe(known: dict[str, ListedRegister]) -> list[str]:
    if "frequency" not in known:
        return [
            "# A probe tells a right profile from a wrong one: name a point whose value is known beforehand.",
            "# probe: {point: voltage_ln_l1, between: [200, 240]}",
            "",
        ]
    return ["probe: {point: frequency, between: [45, 65]}", ""]


def _point(name: str, register: ListedRegister, table: Table, one_based: bool) -> str:
    facts = [f"address: {register.address + one_based * register.on_wire}", f"type: {register.type.value}"]
    if register.table is not None and register.table is not table:
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
    doubt = "  does it start again somewhere? then rolls_over_at" if kind is Kind.COUNTER else ""
    return f"{line}  # {_one_line(note)}{';' if doubt and note else ''}{doubt}".rstrip(" #")


def _quoted(text: str) -> str:
    return json.dumps(_one_line(text), ensure_ascii=False)


def _one_line(text: str) -> str:
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
