"""The JSON Schema that is committed is the one that the model makes."""

from __future__ import annotations

import json
from pathlib import Path

from dpquery.policy.json_schema import schema

COMMITTED = Path(__file__).parents[3] / "policies" / "policy.schema.json"


def test_the_committed_schema_is_current() -> None:
    committed = json.loads(COMMITTED.read_text(encoding="utf-8"))
    assert committed == schema(), (
        "run: python -m dpquery.policy.json_schema > policies/policy.schema.json"
    )


def test_editors_can_explain_every_key() -> None:
    made = schema()
    assert made["$schema"] == "http://json-schema.org/draft-07/schema#"
    for part in (made, *made["definitions"].values()):
        assert part["additionalProperties"] is False
        assert all(each["description"] for each in part["properties"].values())


def test_nothing_of_a_later_draft_is_used() -> None:
    text = json.dumps(schema())
    for word in ("$defs", "prefixItems", "unevaluatedProperties", '"default": null'):
        assert word not in text
    assert text.count('"$ref"') == text.count('"$ref": "#/definitions/')


def test_both_spellings_are_known() -> None:
    made = schema()
    assert "epsilon_budget" in made["properties"]
    assert "epsilon_budget" in made["definitions"]["Budget"]["properties"]
    assert made["definitions"]["QueryDefaults"]["properties"]["delta"] == {
        "default": 1e-10,
        "description": "The chance of showing a group that should be withheld, "
        "for one query.",
        "exclusiveMaximum": 1,
        "exclusiveMinimum": 0,
        "type": "number",
    }


def test_a_column_may_have_nothing_said_about_it() -> None:
    columns = schema()["definitions"]["Table"]["properties"]["columns"]
    (column,) = columns["patternProperties" if "patternProperties" in columns else
                        "additionalProperties"].values()  # fmt: skip
    assert {"type": "null"} in column
