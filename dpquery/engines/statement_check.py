"""What DuckDB's own parser sees in a statement, against what the plan expects.

Upholds: only one SELECT runs, it reads the plan's tables and no other, and calls no
function that the plan does not use. Whatever the parser reports and this file does
not list is refused (threats.md 1, gate G5). The parse reads no data.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dpquery.engines.failures import failure
from dpquery.engines.parse_tree import UnparsableError, statements, walk

if TYPE_CHECKING:
    import duckdb

    from dpquery.engines.base import Statement
    from dpquery.engines.parse_tree import Node

_OPERATORS = frozenset(
    {"+", "-", "*", "/", "//", "%", "||", "~~", "!~~", "~~*", "!~~*"}
)
"""Functions that have a sign of their own: arithmetic, ``||``, LIKE and ILIKE."""

_TABLE_FUNCTIONS = frozenset({"generate_series", "range", "unnest"})
"""Table functions that read nothing; the plan must list them all the same."""

_EXPRESSIONS = frozenset(
    {
        *("BETWEEN", "CASE", "CAST", "COLUMN_REF", "COMPARISON", "CONJUNCTION"),
        *("CONSTANT", "FUNCTION", "OPERATOR", "PARAMETER", "STAR", "SUBQUERY"),
        *("TYPE", "WINDOW"),
    }
)
_OPERATOR_TYPES = frozenset(
    {
        *("COMPARE_IN", "COMPARE_NOT_IN", "GROUPING_FUNCTION", "OPERATOR_COALESCE"),
        *("OPERATOR_IS_NULL", "OPERATOR_IS_NOT_NULL", "OPERATOR_NOT"),
    }
)
_CLAUSES = frozenset(
    {
        *("SELECT_NODE", "SET_OPERATION_NODE", "SUBQUERY", "JOIN", "EMPTY"),
        *("BASE_TABLE", "TABLE_FUNCTION", "EXPRESSION_LIST", "ORDER_MODIFIER"),
        *("LIMIT_MODIFIER", "DISTINCT_MODIFIER", "ORDER_DEFAULT", "ASCENDING"),
        "DESCENDING",
    }
)
_JOINS = frozenset({"CROSS", "REGULAR"})


def check_statement(
    connection: duckdb.DuckDBPyConnection, statement: Statement
) -> None:
    """
    Refuse *statement* unless it is what the plan says it is.

    Raises:
        EngineFailure: DPQ510; a fault of dpquery, never of the analyst.
    """
    found = _Found(statement.functions | _OPERATORS, frozenset(statement.parameters))
    problem = _walk(connection, statement.sql, found)
    if problem is None and found.tables != statement.tables:
        problem = "it reads other tables than planned"
    if problem is not None:
        raise failure("DPQ510", problem)


class _UnexpectedError(Exception):
    """The parser reported something that is not planned."""


@dataclass(slots=True)
class _Found:
    """What the walk may meet, and which tables it met."""

    functions: frozenset[str]
    parameters: frozenset[str]
    tables: set[str] = field(default_factory=set)


def _walk(connection: duckdb.DuckDBPyConnection, sql: str, found: _Found) -> str | None:
    """Fill *found* from *sql*; return what is wrong with it, if anything."""
    try:
        parsed = statements(connection, sql)
        if len(parsed) != 1:
            return "it is not one SELECT"
        for node, ctes in walk(parsed[0], frozenset()):
            _check_node(node, ctes, found)
    except _UnexpectedError as unexpected:
        return str(unexpected)
    except (UnparsableError, LookupError, RecursionError):
        return "it cannot be parsed"
    return None


def _check_node(node: Node, names: frozenset[str], found: _Found) -> None:
    """Check one node of the parse tree; its children are checked by the caller."""
    if "class" in node:
        _check_expression(node, found)
        return
    kind = str(node["type"])  # a type spelled out as a dict is a sample's
    match kind:
        case "BASE_TABLE":
            _check_table(node, names, found)
        case "TABLE_FUNCTION":
            if node["function"]["function_name"] not in _TABLE_FUNCTIONS:
                raise _UnexpectedError("a table function that no plan uses")
        case "JOIN":
            if node["ref_type"] not in _JOINS:
                raise _UnexpectedError("a join that no plan uses")
    if kind not in _CLAUSES:
        raise _UnexpectedError("a clause that no plan uses")


def _check_expression(node: Node, found: _Found) -> None:
    """Refuse kinds of expressions that no plan has, and functions not planned."""
    match node["class"]:
        case "FUNCTION" | "WINDOW":
            _check_function(node, node["function_name"], found)
        case "OPERATOR" if node["type"] not in _OPERATOR_TYPES:
            raise _UnexpectedError("an operator that no plan uses")
        case "PARAMETER" if node["identifier"] not in found.parameters:
            raise _UnexpectedError("a parameter that is not given")
        case "STAR" if node["columns"]:
            raise _UnexpectedError("columns chosen by a pattern")
        case kind if kind not in _EXPRESSIONS:
            raise _UnexpectedError("an expression that no plan uses")


def _check_function(node: Node, name: str, found: _Found) -> None:
    """Refuse a function that is not planned, or not DuckDB's own."""
    planned = "count" if name == "count_star" else name
    if planned not in found.functions:
        raise _UnexpectedError("it calls a function that is not planned")
    if (node.get("catalog"), node.get("schema")) not in {("", ""), ("system", "main")}:
        raise _UnexpectedError("it calls a function of another schema")


def _check_table(node: Node, names: frozenset[str], found: _Found) -> None:
    """Refuse a table that is not planned; CTEs in scope are fine."""
    name, schema = node["table_name"], node["schema_name"]
    if node["at_clause"] is not None or node["sample"] is not None:
        raise _UnexpectedError("a sample or an old version of a table")
    if node["catalog_name"]:
        raise _UnexpectedError("a table of another database")
    if schema == "main":
        found.tables.add(name)
    elif schema or name not in names:
        raise _UnexpectedError("a table without its schema")
