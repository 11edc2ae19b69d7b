"""What sqlglot reads in part, or makes without what it needs.

It is written for friendly input: some texts lose their meaning in it, and some nodes
that its dialects make would fail later on.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sqlglot import Token, TokenType, exp

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


def partly_read(tokens: Sequence[Token]) -> Iterator[Token]:
    """
    Yield the texts of intervals of which sqlglot would read a part only.

    To it, ``INTERVAL '3 days ago'`` and ``INTERVAL '3 days 02:00'`` are three days.
    """
    inside = False
    for token in tokens:
        if token.token_type is TokenType.INTERVAL:
            inside = True
        elif inside and token.token_type is TokenType.STRING:
            parts = _SPAN.findall(token.text)
            if len(parts) == 1 and not _SPAN.fullmatch(token.text):
                yield token
        elif token.token_type not in _WITHIN:
            inside = False


_SPAN = re.compile(r"\s*-?[0-9]+(?:\.[0-9]+)?\s*[a-zA-Z]+\s*")
_WITHIN = frozenset({TokenType.VAR, TokenType.PLUS, TokenType.NUMBER, TokenType.STRING})


def incomplete(statement: exp.Expr) -> exp.Expr | None:
    """Return a node that lacks what it is of; sqlglot's dialects make such nodes."""
    for node in statement.walk():
        needed = [name for name, required in node.arg_types.items() if required]
        if isinstance(node, _OF_SOMETHING):
            needed.append("this")
        values = [node.args.get(name) for name in needed]
        lists = [each for each in node.args.values() if isinstance(each, list)]
        if None in values or [] in values or any(None in each for each in lists):
            return node
        if _has_no_sides(node) or _is_distinct_of_nothing(node):
            return node
        sides = [node.args.get(name) for name in ("this", "expression")]
        if any(each is False for each in sides) and not isinstance(node, exp.Boolean):
            return node
    return None


def _has_no_sides(node: exp.Expr) -> bool:
    """Return whether a set operation is of something that is no query."""
    sides = (node.this, node.expression) if isinstance(node, exp.SetOperation) else ()
    return not all(isinstance(side, exp.Query) for side in sides)


def _is_distinct_of_nothing(node: exp.Expr) -> bool:
    """Return whether an aggregate is of DISTINCT, and no value follows."""
    inside = isinstance(node, exp.Distinct) and isinstance(node.parent, exp.AggFunc)
    return inside and not node.expressions


_OF_SOMETHING = (exp.Date, exp.Timestamp, exp.Datetime, exp.Time)
"""Functions that sqlglot lets be of nothing."""
