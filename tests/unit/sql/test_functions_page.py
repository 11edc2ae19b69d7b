"""docs/functions.md is made of the table; `DPQUERY_UPDATE_GOLDENS=1` renews it."""

from __future__ import annotations

import os
from pathlib import Path

from dpquery.policy.catalog import SqlType
from dpquery.sql.expressions.arguments import signature
from dpquery.sql.functions import ALIASES, FAMILIES, FUNCTIONS, Function, Parameter
from dpquery.sql.functions.signature import DATES, LISTS
from dpquery.sql.literals import Literal

from .extremes import calls

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "functions.md"
START = "\n## Numbers\n"
"""What stands before it is written by hand."""
ARGUMENTS = {
    SqlType.INTEGER: "whole number",
    SqlType.DOUBLE: "number",
    SqlType.VARCHAR: "text",
    SqlType.BOOLEAN: "condition",
    SqlType.DATE: "date",
    SqlType.TIMESTAMP: "timestamp",
    SqlType.TIME: "time",
    SqlType.INTERVAL: "span",
    SqlType.INTEGER_LIST: "list of whole numbers",
    SqlType.VARCHAR_LIST: "list of texts",
}


def page() -> str:
    written, _, _ = PAGE.read_text(encoding="utf-8").partition(START)
    parts = [written]
    for family, functions in FAMILIES.items():
        parts.append(f"## {family}\n")
        parts.append("| function | of | gives | rule |")
        parts.append("|---|---|---|---|")
        parts += [row(each) for each in functions]
        parts.append("")
    parts.append("## Other names\n")
    parts.append("| name | function |")
    parts.append("|---|---|")
    parts += [f"| `{name}` | `{ALIASES[name]}` |" for name in sorted(ALIASES)]
    return "\n".join(parts) + "\n"


def row(function: Function) -> str:
    usage = signature(function).replace("|", "\\|")
    of = ", ".join(parameter_text(each) for each in function.parameters)
    found = dict.fromkeys(str(call.type) for call in calls(function))
    gives = "its elements" if len(found) > 2 else " or ".join(found)
    return f"| `{usage}` | {of} | {gives} | {function.misfit} |"


def parameter_text(parameter: Parameter) -> str:
    if parameter.one_of is not None:
        options = sorted(each for each in parameter.one_of if each)
        return " ".join(f"`{each}`" for each in options)
    if parameter.element:
        return "an element"
    if parameter.same:
        return "a list of the same type"
    text = types_text(parameter)
    if parameter.at_most is not None:
        return f"{parameter.at_least} … {parameter.at_most}"
    return f"constant {text}" if parameter.constant else text


def types_text(parameter: Parameter) -> str:
    types = parameter.types
    if types == LISTS:
        return "list"
    if SqlType.DOUBLE in types:
        return "number or date" if types & DATES else "number"
    if parameter.as_text:
        return "text, number or date"
    names = [ARGUMENTS[each] for each in sorted(types) if each in ARGUMENTS]
    if types >= DATES:
        names = ["date", *(each for each in names if each in {"span", "time"})]
    return " or ".join(names)


def test_the_page_is_made_of_the_table() -> None:
    found = page()
    if os.environ.get("DPQUERY_UPDATE_GOLDENS") == "1":
        PAGE.write_text(found, encoding="utf-8")
    assert found == PAGE.read_text(encoding="utf-8")


def test_every_function_says_what_becomes_of_values_without_a_result() -> None:
    guarded = {"nullif"}
    for function in FUNCTIONS.values():
        if function.engine & guarded or any(p.clamped for p in function.parameters):
            assert function.misfit, function.name


def test_every_function_has_arguments_of_its_own() -> None:
    for function in FUNCTIONS.values():
        call = next(calls(function))
        assert not all(isinstance(each, Literal) for each in call.arguments)
