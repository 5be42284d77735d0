"""The JSON Schema of ``site.yaml``: editors complete and check by it while a person writes."""

import json
from typing import Any

from config.site import Site

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def site_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of a site file, keys in the models' own order."""
    schema = Site.model_json_schema(by_alias=True, mode="validation")
    definitions = dict(sorted(schema.pop("$defs", {}).items()))
    return {
        "$schema": DIALECT,
        **schema,
        "title": "site.yaml of the facility energy monitor",
        "description": "One building: its buses, devices, meters, commodities and where results go.",
        "$defs": definitions,
    }


def site_schema_text() -> str:
    """Write the schema as text; the same models always give the same bytes."""
    return json.dumps(site_schema(), ensure_ascii=False, indent=2) + "\n"
