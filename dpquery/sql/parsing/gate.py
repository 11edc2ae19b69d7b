"""What stands in front of the parser: size, characters, comments, nesting.

sqlglot is written for friendly input: 20 nested type keywords keep it busy for
minutes, and characters that are white space to DuckDB are letters to it
(threats.md 9). So the text is looked at before it is parsed.
"""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

from sqlglot import Token, TokenType

from dpquery.errors import Place, SQLSyntaxError

if TYPE_CHECKING:
    from collections.abc import Container, Sequence

MAX_BYTES = 16 * 1024
MAX_TOKENS = 2_000
MAX_NESTING = 32
MAX_TYPE_NESTING = 2

_TOKEN = re.compile(
    r"""
      (?P<space>[ \t\r\n]+)
    | (?P<comment>--[^\n]*|/\*.*?\*/)
    | (?P<text>'(?:[^']|'')*')
    | (?P<quoted>"(?:[^"]|"")*"|`[^`]*`)
    | (?P<word>[^\W\d]\w*)
    | (?P<number>\d[\w.]*)
    | (?P<other>.)
    """,
    re.VERBOSE | re.DOTALL,
)

_OPENING = frozenset({TokenType.L_PAREN, TokenType.L_BRACKET, TokenType.L_BRACE})
_CLOSING = frozenset({TokenType.R_PAREN, TokenType.R_BRACKET, TokenType.R_BRACE})


def check(sql: str) -> None:
    """
    Refuse text that must not reach the tokenizer.

    Raises:
        SQLSyntaxError: too long, or with characters that two parsers could read
            differently.
    """
    if not isinstance(sql, str):
        msg = f"a query is text, not {type(sql).__name__}"
        raise SQLSyntaxError(msg, code="DPQ001")
    size = len(sql.encode("utf-8", "surrogatepass"))
    if size > MAX_BYTES:
        msg = f"the query has {size:,} bytes; at most {MAX_BYTES:,} are read"
        hint = "ask in several queries, or shorten long lists of constants"
        raise SQLSyntaxError(msg, code="DPQ002", hint=hint)
    if not sql.strip():
        hint = "for example: SELECT COUNT(*) FROM visits"
        raise SQLSyntaxError("the query is empty", code="DPQ001", hint=hint)
    for match in _TOKEN.finditer(sql):
        _check_characters(sql, match.start(), match.lastgroup or "", match.group())


def unclosed(sql: str) -> int | None:
    """Return where a quote begins that does not end, if one does."""
    for match in _TOKEN.finditer(sql):
        if match.lastgroup == "other" and match.group() in "'\"`":
            return match.start()
    return None


def without_comments(tokens: Sequence[Token]) -> list[Token]:
    """
    Return *tokens* without the comments on them, and without hints to a planner.

    sqlglot takes orders from comments: ``/* sqlglot.meta start=x */`` writes into the
    node before it, and ``/* sqlglot.anonymous */`` renames a function.
    """
    return [
        Token(each.token_type, each.text, each.line, each.col, each.start, each.end)
        for each in tokens
        if each.token_type is not TokenType.HINT
    ]


def check_nesting(
    sql: str, tokens: Sequence[Token], types: Container[TokenType]
) -> None:
    """
    Refuse what would keep the parser busy for ever.

    *tokens* are the parser's own, so that what is counted is what it will see; after
    a word of *types* it tries a type first and then once more, which doubles its
    work with each level.

    Raises:
        SQLSyntaxError: too many tokens, or brackets nested too deeply.
    """
    if len(tokens) > MAX_TOKENS:
        msg = f"the query has more than {MAX_TOKENS:,} words and signs"
        where = place(sql, tokens[MAX_TOKENS].start)
        raise SQLSyntaxError(msg, code="DPQ002", place=where)
    open_brackets: list[bool] = []
    before = None
    for token in tokens:
        if token.token_type in _OPENING:
            open_brackets.append(before in types)
        elif token.token_type in _CLOSING and open_brackets:
            open_brackets.pop()  # by its type: the text ')' closes nothing
        deep = len(open_brackets) > MAX_NESTING
        if deep or sum(open_brackets) > MAX_TYPE_NESTING:
            msg = "brackets are nested too deeply"
            hint = f"at most {MAX_NESTING} levels, of which {MAX_TYPE_NESTING} of types"
            where = place(sql, token.start)
            raise SQLSyntaxError(msg, code="DPQ004", place=where, hint=hint)
        before = token.token_type


def _check_characters(sql: str, start: int, kind: str, text: str) -> None:
    """Refuse control, format and exotic white-space characters outside literals."""
    if text.isascii() and text.isprintable():
        return
    for offset, character in enumerate(text):
        if character in " \t\r\n" and kind in {"space", "comment", "text", "quoted"}:
            continue
        category = unicodedata.category(character)
        harmless = category[0] in "LMNPS" or (kind == "text" and category == "Zs")
        if harmless and (kind != "other" or character.isascii()):
            continue
        name = unicodedata.name(character, f"U+{ord(character):04X}")
        msg = f"the query has a character that SQL parsers disagree on: {name}"
        hint = "delete it (it may be invisible), or write it in ASCII: >= for ≥"
        where = place(sql, start + offset)
        raise SQLSyntaxError(msg, code="DPQ003", place=where, hint=hint)


def place(sql: str, start: int, end: int | None = None) -> Place:
    r"""
    Return the place of ``sql[start:end]`` with its line.

    >>> place("SELECT 1\nFROM t", 14).column
    6
    """
    start = min(max(start, 0), len(sql))
    line_start = sql.rfind("\n", 0, start) + 1
    line_end = sql.find("\n", start)
    line = sql[line_start : line_end if line_end >= 0 else len(sql)]
    shown = line.expandtabs(1)
    if not shown.isprintable():
        shown = "".join(c if c.isprintable() else " " for c in shown)
    length = 1 if end is None else max(1, min(end - start, len(line)))
    return Place(
        line=sql.count("\n", 0, start) + 1,
        column=start - line_start + 1,
        length=length,
        text=shown,
    )
