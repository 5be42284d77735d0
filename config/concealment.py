"""Secrets that were written where they do not belong: found before any line of the file is shown."""

from pydantic import BaseModel

from config.positions import Node, Source
from config.problems import did_you_mean
from config.shapes import Shape, fields_of, visit
from drivers.settings import Secret


def conceal(root: Node, shape: Shape, source: Source) -> None:
    """Blot out a text where a secret's whereabouts are wanted, unknown keys in one, and misspelt ones."""
    for node, wanted in visit(root, shape):
        if Secret in wanted.options:
            known = set(Secret.model_fields)
            for key, child in (node.mapping or {"": node}).items():
                if key not in known:
                    _hide(child, source)
            continue
        models = wanted.models() if node.mapping is not None else ()
        for key, child in (node.mapping or {}).items():
            if any(_is_misspelt_secret(key, model) for model in models):
                _hide(child, source)


def _is_misspelt_secret(key: str, model: type[BaseModel]) -> bool:
    fields = fields_of(model)
    secrets = [name for name, field in fields.items() if Secret in Shape.of(field.annotation).options]
    hint = did_you_mean(key, secrets) if key not in fields else None
    return hint is not None and "guess" in hint.data


def _hide(node: Node, source: Source) -> None:
    for inner in node.walk():
        if inner.raw:
            source.hide(inner.span)
