"""What DuckDB says of a SELECT that it cannot bind, said for a person.

Upholds: what is said is a function of the SQL and the schema, for it is said of
tables without rows, and names no class and no name of ours.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from dpquery.engines.lockdown import literal
from dpquery.engines.released_select import RefusedError

if TYPE_CHECKING:
    import duckdb

_LONGEST = 300
"""Characters of a message that anybody reads."""

_REWRITES = tuple(
    (re.compile(pattern, flags=re.DOTALL), replacement)
    for pattern, replacement in (
        # What follows is long, or of no use to who may not see the catalog.
        (r"\s*(You might need to add|Candidate functions:|Candidate macros:).*", ""),
        (r"\s*LINE \d+:.*", ""),
        (r".*lambda arrow.*", "write lambda x: x + 1, not x -> x + 1"),
        (r"\s*Did you mean \"(information_schema|pg_catalog)\.[^\"]*\"\??", ""),
        (r"[!.]?\n+Candidate (?:bindings|tables): ", "; there is "),
        (r"[!.]?\n+Did you mean:? ", "; did you mean "),
        (
            r"No function matches the given name and argument types '(.*?)'\.?",
            r"there is no function \1",
        ),
        (r"Values list (\"[^\"]*\") does not", r"table \1 does not"),
        (r"\b(memory|main|public_tables)\.(?=[\w\"])", ""),
        (r"\"(?:(?:memory|main|public_tables)\.)+", '"'),
        (r"\bINTEGER_LITERAL\b", "INTEGER"),
        (r"\bSTRING_LITERAL\b", "VARCHAR"),
        (r"\s+", " "),
    )
)


def refusal(error: duckdb.Error, before: int) -> RefusedError:
    """
    Return what *error* says, at its place in the analyst's SELECT.

    Args:
        error: raised by a connection whose errors are JSON.
        before: bytes that were put before the SELECT.
    """
    message, location = said_by(error)
    return RefusedError(clean(message), _place(location, before))


def said_by(error: duckdb.Error) -> tuple[str, str]:
    """Return the message and the location of an error that is JSON."""
    head, _, tail = str(error).partition(": ")
    try:
        said = json.loads(tail)
        return str(said["exception_message"]), str(said.get("location"))
    except (ValueError, KeyError, TypeError):
        return tail or head, ""


def blames_a_literal(error: duckdb.Error, sql: str) -> bool:
    """Say whether what *error* quotes is a text in *sql*, as ``'2024-13-01'``."""
    quoted = re.findall(r"'([^']*)'|\"([^\"]*)\"", said_by(error)[0])
    return any(literal(one or other) in sql for one, other in quoted)


def clean(message: str) -> str:
    r"""
    Return *message* as one or two sentences.

    >>> clean('Referenced table "t" not found!\nCandidate tables: "memory.main.r1"')
    'referenced table "t" not found; there is "r1"'
    """
    for pattern, replacement in _REWRITES:
        message = pattern.sub(replacement, message)
    message = message.strip().rstrip(".!")[:_LONGEST]
    if message[1:2].islower():
        message = message[0].lower() + message[1:]
    return message or "this SELECT cannot be understood"


def _place(location: str, before: int) -> tuple[int, int] | None:
    """Return offset and length in bytes from text like ``[16,2]``."""
    found = re.fullmatch(r"\[(\d+),(\d+)\]", location)
    if found is None or int(found[1]) < before:
        return None
    return int(found[1]) - before, max(1, int(found[2]))
