"""What DuckDB's own parser sees in a statement, as a tree of plain data.

Upholds: nothing of a statement is looked at but what DuckDB itself will see, and no
table of the catalog hides behind the name of a CTE that is not in scope (threats.md
1, gate G5). The parse reads no data.
"""

from __future__ import annotations

import json
from typing import Any

import duckdb

Node = dict[str, Any]


class UnparsableError(Exception):
    """The text is not statements that the parser can show."""

    def __init__(
        self, message: str = "it cannot be parsed", at: int | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.at = at
        """Where, in bytes of UTF-8 from 0."""


def statements(connection: duckdb.DuckDBPyConnection, sql: str) -> list[Node]:
    """
    Return the SELECT statements of *sql* as DuckDB's parser sees them.

    Raises:
        UnparsableError: it is something else.
    """
    if "\0" in sql:
        raise UnparsableError("it holds a NUL character", sql.encode().index(b"\0"))
    try:
        rows = connection.execute("SELECT json_serialize_sql(?)", [sql]).fetchall()
        tree = json.loads(rows[0][0])
    except (duckdb.ParserException, UnicodeError, LookupError, RecursionError):
        raise UnparsableError from None
    if tree["error"]:
        at = tree.get("position")
        message = str(tree.get("error_message", "it cannot be parsed"))
        raise UnparsableError(message, None if at is None else int(at))
    return list(tree["statements"])


def walk(node: Node, ctes: frozenset[str]) -> list[tuple[Node, frozenset[str]]]:
    """
    Return *node* and all nodes below it that have a type, each with its CTEs.

    Args:
        node: one statement, or a part of it.
        ctes: the names of the CTEs in scope, as they are spelled.

    Raises:
        RecursionError: it is nested too deeply.
    """
    found: list[tuple[Node, frozenset[str]]] = []
    _gather(node, ctes, found)
    return found


def _gather(
    node: Node, ctes: frozenset[str], found: list[tuple[Node, frozenset[str]]]
) -> None:
    """Add to *found*: a generator would hand each node up through all levels."""
    if "type" in node:
        found.append((node, ctes))
    for cte in node.get("cte_map", {}).get("map", ()):
        body = cte["value"].get("query_node", {})
        recursive = isinstance(body, dict) and body.get("type") == "RECURSIVE_CTE_NODE"
        _gather(cte["value"], ctes | {cte["key"]} if recursive else ctes, found)
        ctes |= {cte["key"]}
    below = [value for key, value in node.items() if key != "cte_map"]
    for value in below:
        if isinstance(value, dict):
            _gather(value, ctes, found)
        elif isinstance(value, list):
            below.extend(value)  # lists hold nodes, lists of nodes, and names
