"""Sizes and habits of the product's code."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "dpquery").rglob("*.py"))
TRUSTED = ("accounting", "engines", "kernel", "ledger", "noise", "plan", "sql")
NAMES = [path.relative_to(ROOT).as_posix() for path in FILES]

Function = ast.FunctionDef | ast.AsyncFunctionDef


def source(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


@cache
def parsed(name: str) -> ast.Module:
    return ast.parse(source(name))


def test_the_files_are_found() -> None:
    packages = {name.split("/")[1] for name in NAMES if name.count("/") > 1}
    assert packages >= {*TRUSTED, "cli", "errors", "policy", "service"}


@pytest.mark.parametrize("name", NAMES)
def test_no_file_is_long(name: str) -> None:
    assert len(source(name).splitlines()) <= 450


@pytest.mark.parametrize("name", NAMES)
def test_every_module_says_what_it_knows(name: str) -> None:
    text = ast.get_docstring(parsed(name))
    assert text is not None
    assert text[0].isupper() or text.startswith("dpquery")


def lines_of(function: Function) -> int:
    """Return how many lines a function has, its docstring not counted."""
    first = function.body[0]
    text = ast.get_docstring(function) is not None
    told = (first.end_lineno or 0) - first.lineno + 1 if text else 0
    return (function.end_lineno or 0) - function.lineno + 1 - told


@pytest.mark.parametrize(
    "name", [name for name in NAMES if name.split("/")[1] in TRUSTED]
)
def test_trusted_functions_are_short(name: str) -> None:
    long = {
        node.name: lines_of(node)
        for node in ast.walk(parsed(name))
        if isinstance(node, Function) and lines_of(node) > 40
    }
    assert long == {}


@pytest.mark.parametrize("name", NAMES)
def test_no_assert_and_no_bare_except(name: str) -> None:
    """``python -O`` removes asserts; a bare except swallows an interrupt."""
    wrong = [
        node.lineno
        for node in ast.walk(parsed(name))
        if isinstance(node, ast.Assert)
        or (isinstance(node, ast.ExceptHandler) and node.type is None)
    ]
    assert wrong == []


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_left_to_do(name: str) -> None:
    assert re.findall(r"\b(TODO|FIXME|XXX|HACK)\b", source(name)) == []


@pytest.mark.parametrize("name", NAMES)
def test_every_suppression_has_a_code(name: str) -> None:
    for line in source(name).splitlines():
        for found in re.findall(r"# (noqa|type: ignore)(\S*)", line):
            assert found[1][:1] in {":", "["}, line


def test_exact_rows_are_opened_in_one_place() -> None:
    """
    ``Sealed.open`` is the way from exact to noisy: kernel/measurement.py.

    kernel/postprocess.py opens the rows of public tables, by SQL that is made for
    public tables only.
    """
    openers = [
        name
        for name in NAMES
        for node in ast.walk(parsed(name))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "open"
        and not (node.args or node.keywords or name.startswith("dpquery/cli"))
    ]
    exact, public = "dpquery/kernel/measurement.py", "dpquery/kernel/postprocess.py"
    assert openers == [*[exact] * 5, public]
    assert re.findall(r"lower_\w+\(", source(public)) == ["lower_public("]
    makers = [name for name in NAMES if re.search(r"\bSealed\(\w", source(name))]
    assert makers == ["dpquery/engines/duckdb.py"]


def test_only_the_engines_may_hold_what_they_seal() -> None:
    """Others name the type, and cannot make or unpack one: it is not imported."""
    users = [
        name
        for name in NAMES
        if "engines.sealed" in source(name) and not name.startswith("dpquery/engines/")
    ]
    assert users == ["dpquery/kernel/measurement.py", "dpquery/kernel/release.py"]
    for name in users:
        top = parsed(name).body
        imported = [node.module for node in top if isinstance(node, ast.ImportFrom)]
        assert "dpquery.engines.sealed" not in imported


def test_no_file_is_named_for_nothing() -> None:
    stems = {path.stem for path in FILES}
    assert stems.isdisjoint({"utils", "util", "helpers", "helper", "common", "misc"})
