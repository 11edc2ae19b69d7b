"""A query's text without its constants, for audits that must not keep them."""

from __future__ import annotations

from sqlglot import Dialect, TokenType
from sqlglot.errors import SqlglotError

NOTHING = "(not kept)"
"""Instead of a text that cannot be taken apart."""
_CONSTANTS = frozenset(
    kind
    for kind in TokenType
    if kind.name.endswith("STRING") or kind is TokenType.NUMBER
)


def redacted(sql: str, dialect: str) -> str:
    """
    Return *sql* with ``?`` for every number and text, and without comments.

    Where the text has no words in *dialect*, nothing of it is kept.
    """
    try:
        tokens = Dialect.get_or_raise(dialect).tokenize(sql)
    except (SqlglotError, ValueError):
        return NOTHING
    words = []
    end = -2
    for token in tokens:
        if token.token_type is TokenType.VAR and token.start == end + 1:
            end = token.end  # the rest of a constant: 0x4711 is 0 and x4711 here
        elif token.token_type in _CONSTANTS:
            end = token.end
            words.append("?")
        elif token.token_type is TokenType.IDENTIFIER:
            words.append(f'"{token.text}"')
        else:
            words.append(token.text)
    return " ".join(words)
