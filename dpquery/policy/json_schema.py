"""The JSON Schema that editors complete and check policy files with.

``python -m dpquery.policy.json_schema > policies/policy.schema.json`` writes it.
"""

from __future__ import annotations

import ast
import inspect
import json
import sys
from typing import Any

from dpquery.policy import model
from dpquery.policy.aliases import ALIASES

_DEFINITIONS = "#/definitions/{model}"
_PARTS = {"budget": "Budget", "query": "QueryDefaults"}

JsonObject = dict[str, Any]


def schema() -> JsonObject:
    """Return the schema of a policy file, for draft 7, which editors speak."""
    made = model.Policy.model_json_schema(ref_template=_DEFINITIONS)
    definitions: JsonObject = made.pop("$defs")
    parts = {**definitions, "Policy": made}
    for name, said in _docstrings().items():
        for key, text in said.items():
            parts[name]["properties"][key]["description"] = text
    for part in parts.values():
        part.pop("title", None)
        for of_key in part["properties"].values():
            _tidy(of_key)
    _add_aliases(made, definitions)
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "dpquery policy",
        **made,
        "definitions": definitions,
    }


def _docstrings() -> dict[str, dict[str, str]]:
    """Return the text under each attribute of the model, by class and attribute."""
    found: dict[str, dict[str, str]] = {}
    for cls in ast.parse(inspect.getsource(model)).body:
        if not isinstance(cls, ast.ClassDef) or cls.name.startswith("_"):
            continue
        for said, text in zip(cls.body, cls.body[1:], strict=False):
            match said, text:
                case (
                    ast.AnnAssign(target=ast.Name(id=key)),
                    ast.Expr(value=ast.Constant(value=str() as description)),
                ):
                    found.setdefault(cls.name, {})[key] = " ".join(description.split())
    return found


def _tidy(of_key: JsonObject) -> None:
    """Drop titles, and the null of keys that may be absent but not empty."""
    of_key.pop("title", None)
    if of_key.get("default", ...) is None:
        del of_key["default"]
    if "default" in of_key and of_key.get("type") == "number":
        of_key["default"] = float(of_key["default"])  # pydantic writes Decimal as text
    if isinstance(listed := of_key.get("default"), list):
        of_key["default"] = [float(each) for each in listed]
    options = [each for each in of_key.get("anyOf", ()) if each != {"type": "null"}]
    if len(options) == 1:
        del of_key["anyOf"]
        of_key.update(options[0])


def _add_aliases(top: JsonObject, definitions: JsonObject) -> None:
    """Allow the other spellings, and not demand the usual one beside them."""
    for where, (part, key) in ALIASES.items():
        home = definitions[_PARTS[part]]
        properties = top["properties"] if len(where) == 1 else home["properties"]
        meant = f"{part}.{key}"
        properties[where[-1]] = {
            **home["properties"][key],
            "description": f"BigQuery's name for `{meant}`.",
        }
        for each, name in ((top, part), (home, key)):
            each["required"] = [
                needed for needed in each.get("required", ()) if needed != name
            ]


if __name__ == "__main__":
    sys.stdout.write(json.dumps(schema(), indent=2, ensure_ascii=False) + "\n")
