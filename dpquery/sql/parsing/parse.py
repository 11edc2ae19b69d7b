"""Text to one query: dialects, and syntax errors a person can use."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING, TypeAlias

from sqlglot import Dialect, Dialects, exp
from sqlglot.errors import ParseError, SqlglotError, TokenError

from dpquery.errors import ConfigError, QueryRefused, SQLSyntaxError
from dpquery.policy.catalog import fold
from dpquery.sql.literals import parse_interval
from dpquery.sql.parsing import dp_syntax, gate
from dpquery.sql.parsing.dialects import UnclearError, normalised
from dpquery.sql.parsing.parser_slips import incomplete, partly_read

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlglot import Token

    from dpquery.errors import Place

DEFAULT_DIALECT = "duckdb"

# sqlglot logs text that it cannot parse: an analyst's literals do not belong in logs
logging.getLogger("sqlglot").disabled = True


Statement: TypeAlias = exp.Select | exp.SetOperation | exp.Pivot
"""What can be asked: DuckDB's PIVOT is a statement too, and no ``exp.Query``."""


_SLIPS = (
    SqlglotError,
    RecursionError,
    AssertionError,
    ValueError,
    TypeError,
    AttributeError,
    KeyError,
    IndexError,
)
"""What sqlglot raises on mangled text: its slips are the text's fault here."""


def parse(sql: str, dialect: str = DEFAULT_DIALECT) -> Statement:
    """
    Return the one query that *sql* is, without brackets around it.

    Its nodes carry the privacy parameters that the text gives: see ``dp_syntax``.

    Raises:
        SQLSyntaxError: it is not one query.
        QueryRefused: its privacy parameters are none that can be had, or something in
            it is not known to mean what DuckDB means by it.
        ConfigError: the dialect is not known.
    """
    gate.check(sql)
    reader = _dialect(dialect)
    try:
        tokens = gate.without_comments(reader.tokenize(sql))
        gate.check_nesting(sql, tokens, reader.parser_class.TYPE_TOKENS)
        _spell_out_intervals(sql, tokens)
        cut = dp_syntax.cut(sql, tokens)
        parsed = reader.parser().parse(cut.tokens, sql)
        # a comment behind the last semicolon is not a statement
        statements = [s for s in parsed if s and not isinstance(s, exp.Semicolon)]
    except (ParseError, TokenError) as error:
        raise _syntax_error(sql, error) from None
    except _SLIPS:
        msg = "this is not SQL that can be parsed"
        raise SQLSyntaxError(msg, code="DPQ001") from None
    if len(statements) != 1:
        msg = f"one SELECT is expected, {len(statements)} statements were given"
        hint = "send them one at a time; each is priced and answered on its own"
        raise SQLSyntaxError(msg, code="DPQ005", hint=hint)
    dp_syntax.attach(statements[0], cut.parameters)
    statement = _query(statements[0], sql)
    _check_meaning(statement, sql, fold(dialect))
    return statement


def _check_meaning(statement: Statement, sql: str, dialect: str) -> None:
    """Refuse what lacks something, and write what is left as DuckDB means it."""
    lacking = incomplete(statement)
    if lacking is not None:
        hint = "check the words at the caret and around it"
        where = place_of(lacking, sql)
        msg = "something is missing here"
        raise SQLSyntaxError(msg, code="DPQ001", place=where, hint=hint)
    try:
        normalised(statement, dialect)
    except UnclearError as unclear:
        where = place_of(unclear.node, sql)
        raise QueryRefused(
            unclear.message, code="DPQ106", place=where, hint=unclear.hint
        ) from None


def _query(statement: exp.Expr, sql: str) -> Statement:
    """Return *statement* without its brackets, if it is a query."""
    while isinstance(statement, exp.Subquery) and statement.is_wrapper:
        statement = statement.this
    if isinstance(statement, exp.Subquery):
        # databases differ in whether these sort and cut before or after those within
        msg = "a query in brackets has ORDER BY, LIMIT or a name behind them"
        hint = "write ORDER BY and LIMIT inside the brackets"
        place = place_of(statement, sql)
        raise SQLSyntaxError(msg, code="DPQ005", place=place, hint=hint)
    if isinstance(statement, Statement):
        return statement
    msg = f"only SELECT is answered, not {statement.key.upper()}"
    raise SQLSyntaxError(msg, code="DPQ005", place=place_of(statement, sql))


def as_query(statement: Statement) -> exp.Query:
    """Return *statement* as a query: DuckDB's PIVOT is one in brackets."""
    if not isinstance(statement, exp.Pivot):
        return statement
    inner = statement.copy()
    select = exp.Select(expressions=[exp.Star()])
    select.set("with_", inner.args.pop("with_", None))
    return select.from_(exp.Subquery(this=inner), copy=False)


def _spell_out_intervals(sql: str, tokens: Sequence[Token]) -> None:
    """Write spans of time that sqlglot would read in part in units, or refuse them."""
    for token in partly_read(tokens):
        span = parse_interval(token.text)
        if span is None:
            hint = "numbers and units only: INTERVAL '1 day 2 hours'"
            where = gate.place(sql, token.start, token.end + 1)
            msg = "this span of time cannot be read"
            raise SQLSyntaxError(msg, code="DPQ001", place=where, hint=hint)
        token.text = str(span)


def _dialect(name: str) -> Dialect:
    """Return a dialect by the name that sqlglot gives it."""
    known = sorted(each.value for each in Dialects if each.value)
    if isinstance(name, str) and fold(name) in known:
        return Dialect.get_or_raise(fold(name))
    msg = f"there is no SQL dialect {name!r}"
    raise ConfigError(msg, code="DPQ413", hint="one of: " + ", ".join(known))


def _syntax_error(sql: str, error: ParseError | TokenError) -> SQLSyntaxError:
    """Keep what and where of sqlglot's message, drop its colours and class names."""
    if isinstance(error, TokenError):
        return _open_quote(sql)
    details = error.errors[0] if error.errors else {}
    text = str(details.get("description") or "this is not SQL that can be parsed")
    text = re.sub(r"\x1b\[[0-9;]*m", "", text).rstrip(".").splitlines()[0][:200]
    if "<class" in text or text.startswith("Required"):
        text = "something is missing here"
    where: Place | None = None
    line, column = details.get("line"), details.get("col")
    if isinstance(line, int) and isinstance(column, int):
        starts = [0] + [m.end() for m in re.finditer("\n", sql)]
        length = len(str(details.get("highlight") or " "))
        end = starts[min(line, len(starts)) - 1] + column
        where = gate.place(sql, max(0, end - length), end)
    hint = "check the word at the caret and the one before it"
    message = text[:1].lower() + text[1:]
    return SQLSyntaxError(message, code="DPQ001", place=where, hint=hint)


def _open_quote(sql: str) -> SQLSyntaxError:
    """Say where a quote or comment begins that does not end."""
    start = gate.unclosed(sql)
    where = None if start is None else gate.place(sql, start)
    msg = "a quote or a comment is opened and not closed"
    hint = "write a quote inside quotes twice: 'it''s'"
    return SQLSyntaxError(msg, code="DPQ001", place=where, hint=hint)


def place_of(node: exp.Expr, sql: str) -> Place | None:
    """
    Return where *node* stands in the analyst's text.

    The parser keeps places of names, literals and functions only; a node without any
    is shown by what it stands in.
    """
    within: exp.Expr | None = node
    while within is not None:
        # reading `meta` would give a dict to every node, which copies copy
        kept = [e.meta for e in within.walk() if e.meta_get("start") is not None]
        if kept:
            start, end = (min(m["start"] for m in kept), max(m["end"] for m in kept))
            return gate.place(sql, start, end + 1)
        within = within.parent
    return None


def place_of_word(sql: str, word: str) -> Place | None:
    """Return where *word* first stands in *sql*, quoted or not, in any case."""
    name = re.escape(word.strip('"'))
    pattern = rf"(?<!\w){name}(?!\w)"
    found = re.search(pattern, sql, re.IGNORECASE)
    return None if found is None else gate.place(sql, found.start(), found.end())
