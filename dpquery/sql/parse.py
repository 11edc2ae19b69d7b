"""Text to one SELECT: dialects, and syntax errors a person can use."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING

from sqlglot import Dialect, Dialects, exp
from sqlglot.errors import ParseError, SqlglotError, TokenError

from dpquery.errors import ConfigError, QueryRefused, SQLSyntaxError
from dpquery.policy.catalog import fold
from dpquery.sql import gate
from dpquery.sql.dialects import UnclearError, normalised
from dpquery.sql.literals import parse_interval
from dpquery.sql.parser_slips import incomplete, partly_read

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlglot import Token

    from dpquery.errors import Place

DEFAULT_DIALECT = "duckdb"

# sqlglot logs text that it cannot parse: an analyst's literals do not belong in logs
logging.getLogger("sqlglot").disabled = True


def parse(sql: str, dialect: str = DEFAULT_DIALECT) -> exp.Select:
    """
    Return the one SELECT that *sql* is.

    Raises:
        SQLSyntaxError: it is not one SELECT statement.
        QueryRefused: something in it is not known to mean what DuckDB means by it.
        ConfigError: the dialect is not known.
    """
    gate.check(sql)
    reader = _dialect(dialect)
    try:
        tokens = reader.tokenize(sql)
        gate.check_nesting(sql, tokens, reader.parser_class.TYPE_TOKENS)
        _spell_out_intervals(sql, tokens)
        parsed = reader.parser().parse(tokens, sql)
        # a comment behind the last semicolon is not a statement
        statements = [s for s in parsed if s and not isinstance(s, exp.Semicolon)]
    except (ParseError, TokenError) as error:
        raise _syntax_error(sql, error) from None
    except (
        SqlglotError,
        RecursionError,
        ValueError,
        TypeError,
        AttributeError,
        KeyError,
        IndexError,
    ):
        # sqlglot's own slips on mangled text are the text's fault here
        msg = "this is not SQL that can be parsed"
        raise SQLSyntaxError(msg, code="DPQ001") from None
    if len(statements) != 1:
        msg = f"one SELECT is expected, {len(statements)} statements were given"
        hint = "send them one at a time; each is priced and answered on its own"
        raise SQLSyntaxError(msg, code="DPQ005", hint=hint)
    statement = statements[0]
    if not isinstance(statement, exp.Select):
        kind = statement.key.upper()
        msg = f"only SELECT is answered, not {kind}"
        raise SQLSyntaxError(msg, code="DPQ005", place=place_of(statement, sql))
    _check_meaning(statement, sql, fold(dialect))
    return statement


def _check_meaning(statement: exp.Select, sql: str, dialect: str) -> None:
    """Refuse what lacks something, and write what is left as DuckDB means it."""
    lacking = incomplete(statement)
    if lacking is not None:
        hint = "check the arguments of the function at the caret"
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
        kept = [each.meta for each in within.walk() if "start" in each.meta]
        if kept:
            start, end = (min(m["start"] for m in kept), max(m["end"] for m in kept))
            return gate.place(sql, start, end + 1)
        within = within.parent
    return None
