"""What the models want at each place of a file: pydantic's errors and our own checks find their way by it."""

import types
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from enum import EnumType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from config.positions import Node
from config.problems import PathKeys


@dataclass(frozen=True, slots=True)
class Shape:
    """The types that may stand at a place; ``tag`` is the key that tells several models apart."""

    options: tuple[Any, ...]
    tag: str | None = None

    @classmethod
    def of(cls, annotation: Any, tag: str | None = None) -> "Shape":
        """Shape of a type annotation."""
        origin = get_origin(annotation)
        if origin is Annotated:
            base, *extras = get_args(annotation)
            tags = [extra.discriminator for extra in extras if isinstance(extra, FieldInfo)]
            return cls.of(base, next((str(found) for found in tags if found), tag))
        if origin in (Union, types.UnionType):
            parts = [cls.of(part, tag) for part in get_args(annotation) if part is not type(None)]
            of_part = next((part.tag for part in parts if part.tag), tag)
            return cls(tuple(option for part in parts for option in part.options), of_part)
        return cls((annotation,), tag)

    def models(self) -> tuple[type[BaseModel], ...]:
        """The models among the options."""
        return tuple(option for option in self.options if _is_model(option))

    def tags(self) -> dict[str, type[BaseModel]]:
        """Model by the value of its tag."""
        if self.tag is None:
            return {}
        return {
            str(value): model
            for model in self.models()
            for value in get_args(model.model_fields[self.tag].annotation)
        }

    def model(self, node: Node) -> type[BaseModel] | None:
        """The model that a mapping was meant to be; None when its tag does not say."""
        if self.tag is not None:
            return self.tags().get(node.word(self.tag) or "")
        return next(iter(self.models()), None)

    def choices(self) -> tuple[str, ...]:
        """The words that may stand here, when only some may."""
        found: list[str] = []
        for option in self.options:
            if get_origin(option) is Literal:
                found += [str(value) for value in get_args(option)]
            elif isinstance(option, EnumType):
                found += [str(member.value) for member in option]  # type: ignore[var-annotated]
        return tuple(found)

    def wants_number(self) -> bool:
        """Whether a number must stand here."""
        return bool(self.options) and all(option in (int, float, Decimal) for option in self.options)

    def below(self, key: str | int, node: Node) -> "Shape":
        """Shape of a child of ``node``; an empty one when nothing is known of it."""
        for option in self.options:
            origin, arguments = get_origin(option), get_args(option)
            if origin is dict and isinstance(key, str):
                return Shape.of(arguments[1])
            if origin in (tuple, list) and isinstance(key, int):
                return Shape.of(_entry(arguments, key))
        model = self.model(node)
        field = fields_of(model).get(str(key)) if model else None
        if field is None:
            return Shape(())
        tag = field.discriminator if isinstance(field.discriminator, str) else None
        return Shape.of(field.annotation, tag)


@dataclass(frozen=True, slots=True)
class Spot:
    """Where one of pydantic's errors is, in the operator's file.

    ``node`` is the deepest value that exists; ``missing`` the key below it that does not.
    """

    path: PathKeys
    node: Node
    shape: Shape
    parent: Shape
    missing: str | None = None
    on_key: bool = False


def locate(root: Node, model: type[BaseModel], steps: tuple[str | int, ...]) -> Spot:
    """Follow the steps of a pydantic error through the file, leaving out the tags of unions."""
    node, shape, parent = root, Shape.of(model), Shape(())
    path: PathKeys = ()
    for number, step in enumerate(steps):
        if step == "[key]":
            return Spot(path, node, shape, parent, on_key=True)
        if shape.tag is not None and step in shape.tags():
            shape = Shape((shape.tags()[str(step)],))
            continue
        child = _child(node, step)
        if child is None:
            if number == len(steps) - 1:
                return Spot((*path, step), node, shape.below(step, node), shape, missing=str(step))
            continue
        node, shape, parent, path = child, shape.below(step, node), shape, (*path, step)
    return Spot(path, node, shape, parent)


def visit(node: Node, shape: Shape) -> Iterator[tuple[Node, Shape]]:
    """Yield every value below ``node`` that the models know of, with its shape."""
    yield node, shape
    for key, child in (node.mapping or {}).items():
        yield from visit(child, shape.below(key, node))
    for index, child in enumerate(node.sequence or ()):
        yield from visit(child, shape.below(index, node))


def fields_of(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """The fields of a model by the name that a file uses."""
    return {field.alias or name: field for name, field in model.model_fields.items()}


def _is_model(option: Any) -> bool:
    return isinstance(option, type) and issubclass(option, BaseModel)


def _child(node: Node, step: str | int) -> Node | None:
    if isinstance(step, int):
        return node.sequence[step] if node.sequence is not None and step < len(node.sequence) else None
    return node.get(step)


def _entry(arguments: tuple[Any, ...], index: int) -> Any:
    if len(arguments) == 2 and arguments[1] is Ellipsis:
        return arguments[0]
    return arguments[min(index, len(arguments) - 1)] if arguments else object
