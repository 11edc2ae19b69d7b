"""What a SELECT above the privacy boundary may be made of.

Upholds: it reads the tables it was given and no other, and calls no function that
reads settings, the catalog, files, the clock or chance (threats.md 4). What is not
listed here, or in ``released_functions.txt``, is refused with its name. It is the
process around it that bounds time and memory.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

from dpquery.engines.parse_tree import UnparsableError, statements, walk

if TYPE_CHECKING:
    import duckdb

    from dpquery.engines.parse_tree import Node

PUBLIC_SCHEMA = "public_tables"
"""Where public tables are; released tables are in ``main``."""

TABLE_FUNCTIONS = frozenset(
    {
        *("generate_series", "json_each", "json_tree", "range", "repeat"),
        *("repeat_row", "unnest"),
    }
)
"""Table functions that read nothing but their arguments."""

_BY_NAME = frozenset(
    {"aggregate", "array_aggr", "array_aggregate", "list_aggr", "list_aggregate"}
)
"""Functions whose second argument is the name of another."""

_VALUE_FUNCTIONS = frozenset(
    {
        *("current_catalog", "current_date", "current_role", "current_schema"),
        *("current_time", "current_timestamp", "current_user", "localtime"),
        *("localtimestamp", "session_user", "user"),
    }
)
"""Functions that DuckDB calls where a bare name is no column."""

_EXPRESSIONS = frozenset(
    {
        *("BETWEEN", "CASE", "CAST", "COLLATE", "COLUMN_REF", "COMPARISON"),
        *("CONJUNCTION", "CONSTANT", "FUNCTION", "LAMBDA", "OPERATOR"),
        *("POSITIONAL_REFERENCE", "STAR", "SUBQUERY", "TYPE", "WINDOW"),
    }
)
_OPERATOR_TYPES = frozenset(
    {
        *("ARRAY_CONSTRUCTOR", "ARRAY_EXTRACT", "ARRAY_SLICE", "COMPARE_IN"),
        *("COMPARE_NOT_IN", "GROUPING_FUNCTION", "OPERATOR_COALESCE"),
        *("OPERATOR_IS_NOT_NULL", "OPERATOR_IS_NULL", "OPERATOR_NOT", "OPERATOR_TRY"),
        *("OPERATOR_UNPACK", "STRUCT_EXTRACT"),
    }
)
_CLAUSES = frozenset(
    {
        *("SELECT_NODE", "SET_OPERATION_NODE", "RECURSIVE_CTE_NODE", "SUBQUERY"),
        *("JOIN", "EMPTY", "BASE_TABLE", "TABLE_FUNCTION", "EXPRESSION_LIST", "PIVOT"),
        *("ORDER_MODIFIER", "LIMIT_MODIFIER", "LIMIT_PERCENT_MODIFIER"),
        *("DISTINCT_MODIFIER", "ORDER_DEFAULT", "ASCENDING", "DESCENDING"),
    }
)
_JOINS = frozenset({"ASOF", "CROSS", "NATURAL", "POSITIONAL", "REGULAR"})

_CALLED = {
    "DEFAULT": "DEFAULT",
    "PARAMETER": "a parameter",
    "SHOW_REF": "SHOW, DESCRIBE and SUMMARIZE",
}
_NO_LOCATION = 2**63
"""DuckDB says 2**64 - 1 of what stands nowhere in the text."""


class RefusedError(Exception):
    """A SELECT that may not be run, said for a person."""

    def __init__(self, message: str, at: tuple[int, int] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.at = at
        """Offset and length in bytes of UTF-8."""


@dataclass(frozen=True, slots=True)
class Readable:
    """The names that a SELECT may use, in lower case."""

    released: frozenset[str]
    """Tables in ``main``."""
    public: frozenset[str]
    """Tables in :data:`PUBLIC_SCHEMA`."""
    columns: frozenset[str]


@cache
def functions() -> frozenset[str]:
    """Return the functions that may be called, in lower case."""
    file = resources.files("dpquery.engines").joinpath("released_functions.txt")
    lines = file.read_text(encoding="utf-8").splitlines()
    return frozenset(fold(line) for line in lines if line and line[:2] != "# ")


def fold(name: str) -> str:
    """Return *name* as DuckDB compares it: it folds ASCII only."""
    if name.isascii():
        return name.lower()
    return "".join(each.lower() if each.isascii() else each for each in name)


def check_select(
    connection: duckdb.DuckDBPyConnection, sql: str, readable: Readable
) -> None:
    """
    Refuse *sql* unless it is one SELECT made of what is listed here.

    Raises:
        RefusedError: with a text that is a function of the SQL and the names alone.
    """
    try:
        parsed = statements(connection, sql)
        if len(parsed) != 1:
            raise RefusedError("this is not one SELECT")
        nodes = walk(parsed[0], frozenset())
    except UnparsableError as error:
        raise _unparsable(error, sql) from None
    except RecursionError:
        raise RefusedError("this SELECT is nested too deeply") from None
    own = {fold(name) for node, _ in nodes for name in _names(node)}
    for node, ctes in nodes:
        _check_node(node, {fold(name) for name in ctes}, readable, own)


def _unparsable(error: UnparsableError, sql: str) -> RefusedError:
    """Say what the parser said, but for what it says of its own ways."""
    if "Only SELECT" in error.message:
        if re.search(r"\bPIVOT\b", sql, flags=re.IGNORECASE):
            hint = "write PIVOT … ON column IN (value, …)"
            return RefusedError(f"a PIVOT must list the values it is over: {hint}")
        return RefusedError("this is not one SELECT")
    at = None if error.at is None else (error.at, 1)
    if "expression depth" in error.message:
        return RefusedError("this SELECT is nested too deeply", at)
    return RefusedError(error.message.partition("\n")[0], at)


def _names(node: Node) -> list[str]:
    """Return the names that *node* gives to columns."""
    ctes = [each["value"] for each in node.get("cte_map", {}).get("map", ())]
    listed = [name for cte in ctes for name in cte.get("aliases", ())]
    listed += [*node.get("column_name_alias", ()), *node.get("unpivot_names", ())]
    return [name for name in [node.get("alias"), *listed] if isinstance(name, str)]


def _check_node(node: Node, ctes: set[str], readable: Readable, own: set[str]) -> None:
    """Check one node of the parse tree; its children are checked by the caller."""
    if node.get("sample") is not None:
        raise _refused("a sample", node)
    if "class" in node:
        _check_expression(node, readable, own)
        return
    kind = str(node["type"])
    if kind not in _CLAUSES:
        raise _refused(_CALLED.get(kind, _words(kind)), node)
    match kind:
        case "BASE_TABLE":
            _check_table(node, ctes, readable)
        case "TABLE_FUNCTION":
            name = node["function"]["function_name"]
            if fold(name) not in TABLE_FUNCTIONS:
                raise RefusedError(
                    f'there is no table function "{name}" here', at(node)
                )
        case "JOIN" if node["ref_type"] not in _JOINS:
            raise _refused(f"{_words(node['ref_type'])} join", node)
        case "PIVOT" if any(each["pivot_enum"] for each in node["pivots"]):
            raise _refused("a pivot over a type", node)


def _check_expression(node: Node, readable: Readable, own: set[str]) -> None:
    """Refuse kinds of expressions and functions that are not listed."""
    match node["class"]:
        case "FUNCTION" | "WINDOW":
            _check_function(node)
        case "COLUMN_REF":
            names = [fold(name) for name in node["column_names"]]
            known = readable.columns | own
            if len(names) == 1 and names[0] in _VALUE_FUNCTIONS - known:
                raise RefusedError(f'there is no column "{names[0]}" here', at(node))
        case "OPERATOR" if node["type"] not in _OPERATOR_TYPES:
            raise _refused(_words(node["type"]), node)
        case kind if kind not in _EXPRESSIONS:
            raise _refused(_CALLED.get(kind, _words(kind)), node)


def _check_function(node: Node) -> None:
    """
    Refuse a function that is not listed.

    Its schema does not matter: there are no functions but DuckDB's, and what stands
    there may be a column, as in ``name.upper()``.
    """
    name = fold(node["function_name"])
    if name not in functions() | TABLE_FUNCTIONS:
        raise _no_function(name, node)
    if node.get("export_state"):
        raise _refused("EXPORT_STATE", node)
    if name in _BY_NAME:
        arguments = [each["expression"] for each in node["arguments"]]
        literal = arguments[1].get("literal", {}) if len(arguments) > 1 else {}
        if fold(str(literal.get("text", ""))) not in functions():
            msg = f"the second argument of {name} must be the name of an aggregate"
            raise RefusedError(msg, at(node))


def _check_table(node: Node, ctes: set[str], readable: Readable) -> None:
    """Refuse a table that was not given; CTEs in scope are fine."""
    name, schema = fold(node["table_name"]), fold(node["schema_name"])
    if node["at_clause"] is not None:
        raise _refused("an older version of a table", node)
    match schema:
        case "":
            known = name in readable.released or name in ctes
        case "main":
            known = name in readable.released
        case "recurring":  # a recursive CTE that has a key
            known = name in ctes
        case _:
            known = schema == PUBLIC_SCHEMA and name in readable.public
    if node["catalog_name"] or not known:
        raise RefusedError(f'there is no table "{node["table_name"]}" here', at(node))


def _refused(what: str, node: Node) -> RefusedError:
    return RefusedError(f"{what} cannot be used above the privacy boundary", at(node))


def _no_function(name: str, node: Node) -> RefusedError:
    close = difflib.get_close_matches(name, functions(), n=1, cutoff=0.75)
    meant = f"; did you mean {close[0]}?" if close else ""
    return RefusedError(f'there is no function "{name}" here{meant}', at(node))


def at(node: Node) -> tuple[int, int] | None:
    """Return where *node* stands, as offset and length in bytes."""
    offset = node.get("query_location", _NO_LOCATION)
    if offset >= _NO_LOCATION:
        return None
    return offset, max(1, node.get("query_location_length", 1))


def _words(kind: str) -> str:
    return kind.removesuffix("_QUERY_NODE").lower().replace("_", " ")
