"""The JSON Schema agrees with the models, and the document explains every key of them."""

import re
import subprocess
import sys
from collections.abc import Iterator

import jsonschema
import pytest
from pydantic import BaseModel
from ruamel.yaml import YAML

from config.schema import site_schema, site_schema_text
from config.shapes import Shape, fields_of
from config.site import Commodity, Site
from tests.site_example import DOCUMENT, changed, example_text


def validator() -> jsonschema.Draft202012Validator:
    jsonschema.Draft202012Validator.check_schema(site_schema())
    return jsonschema.Draft202012Validator(site_schema())


def test_the_example_fits_the_schema():
    validator().validate(YAML(typ="safe", pure=True).load(example_text()))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("capacity_kw", "capacity"),
        ("unit: 1\n", "unit: 300\n"),
        ("kind: mqtt", "kind: mqqt"),
        ("  electricity:", "  electricty:"),
    ],
)
def test_the_schema_refuses_what_the_loader_refuses(old, new):
    with pytest.raises(jsonschema.ValidationError):
        validator().validate(YAML(typ="safe", pure=True).load(changed(old, new)))


def test_the_text_is_the_same_each_time_and_in_each_process():
    command = [
        sys.executable,
        "-c",
        "from config.schema import site_schema_text; print(end=site_schema_text())",
    ]
    again = subprocess.run(command, capture_output=True, check=True)
    assert again.stdout == site_schema_text().encode()
    assert again.stdout.endswith(b"}\n")


def test_the_committed_copy_is_of_these_models():
    copy = DOCUMENT.parents[1] / "examples" / "taipei-city-hall" / "site.schema.json"
    assert copy.read_text("utf-8") == site_schema_text(), f"run: energy-monitor schema --out {copy.name}"


def models_below(model: type[BaseModel], seen: set[type[BaseModel]]) -> Iterator[type[BaseModel]]:
    if model in seen:
        return
    seen.add(model)
    yield model
    waiting = [field.annotation for field in model.model_fields.values()]
    while waiting:
        shape = Shape.of(waiting.pop())
        for option in shape.options:
            waiting += getattr(option, "__args__", ())
        for below in shape.models():
            yield from models_below(below, seen)


def test_the_document_explains_every_key():
    document = DOCUMENT.read_text("utf-8")
    told = set(re.findall(r"`([^`\n]+)`", document))
    for model in models_below(Site, set()):
        missing = [key for key in fields_of(model) if key not in told and f"{{{key}: " not in document]
        assert not missing, f"{model.__name__}: docs/configuration.md does not explain {missing}"
    assert set(Commodity) <= told


def test_importing_the_models_does_not_load_the_yaml_reader():
    code = (
        "import sys, config.loading, config.site; sys.exit(any(m.startswith('ruamel') for m in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
