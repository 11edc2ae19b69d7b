"""What ZetaSQL's differential privacy clause and contribution bounds can say.

Claim: every value here is a constant of the query, of one kind and in a known range.
It is a wish only: what may be spent, and whose data it is, is for the policy to say.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from sqlglot import Token, TokenType

from dpquery.errors import Place, QueryRefused, SQLSyntaxError
from dpquery.policy.catalog import fold
from dpquery.sql.parsing import gate

if TYPE_CHECKING:
    from collections.abc import Sequence

_MIN_EPSILON, _MAX_EPSILON = Decimal("1e-6"), Decimal("1e9")  # as in policies
_MIN_DELTA = Decimal("1e-18")  # the ledger's unit
_MAX_GROUPS = 10**6
_MAX_UNITS = 10**6  # as in policies
_MAX_BOUND = Decimal("1e30")  # as in policies

_NUMBER = re.compile(r"[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d{1,3})?", re.ASCII)
_MAX_NUMBER: Final = 40
"""Characters of one number."""
_OF_NUMBERS = {TokenType.NUMBER, TokenType.DOT, TokenType.DASH, TokenType.PLUS}
_WORD = re.compile(r"[^\W\d]\w*")


class GroupSelection(StrEnum):
    """How the groups of the answer are chosen."""

    LAPLACE_THRESHOLD = "LAPLACE_THRESHOLD"
    """By a noisy count of units: small groups are withheld."""
    PUBLIC_GROUPS = "PUBLIC_GROUPS"
    """By a public list: all of its groups are shown."""


@dataclass(frozen=True, slots=True)
class UnitColumn:
    """The column that an analyst names as the privacy unit's."""

    name: str
    table: str | None = None
    """A table of FROM, or its alias."""


@dataclass(frozen=True, slots=True)
class DPOptions:
    """What one SELECT asks for in its clause; ``None`` where it does not say."""

    place: Place = field(compare=False)
    """Where the clause stands."""
    epsilon: Decimal | None = None
    delta: Decimal | None = None
    max_groups_contributed: int | None = None
    min_privacy_units_per_group: int | None = None
    group_selection_strategy: GroupSelection | None = None
    privacy_unit_column: UnitColumn | None = None
    places: tuple[tuple[str, Place], ...] = field(default=(), compare=False)
    """Where the options stand that are written, those with NULL too."""

    def place_of(self, option: str) -> Place:
        """Return where *option* is written, or else where the clause is."""
        return dict(self.places).get(option, self.place)


@dataclass(frozen=True, slots=True)
class Bounds:
    """Two constants, the lower one below the upper one."""

    low: Decimal
    high: Decimal
    place: Place = field(compare=False)


@dataclass(frozen=True, slots=True)
class ContributionBounds:
    """Where one aggregate asks for its inputs to be clamped."""

    per_group: Bounds | None = None
    """What one unit adds to one group, with all its rows together."""
    per_row: Bounds | None = None
    """What one row adds."""


Value = Decimal | int | GroupSelection | UnitColumn


def word(token: Token, sql: str) -> str | None:
    """Return *token* with ASCII letters in lower case, if it is a word unquoted."""
    raw = sql[token.start : token.end + 1]
    return fold(raw) if raw == token.text and _WORD.fullmatch(raw) else None


def place_of(tokens: Sequence[Token], sql: str) -> Place:
    """Return the place from the first to the last of *tokens*."""
    return gate.place(sql, tokens[0].start, tokens[-1].end + 1)


def unreadable(place: Place, message: str, hint: str | None = None) -> SQLSyntaxError:
    """Return the error for a clause that cannot be read."""
    return SQLSyntaxError(message, code="DPQ006", place=place, hint=hint)


def option_value(option: str, tokens: Sequence[Token], sql: str) -> Value | None:
    """
    Return the value of *option*; ``None`` for NULL.

    Raises:
        SQLSyntaxError: DPQ006, it is of another kind.
        QueryRefused: DPQ136, it is out of range.
    """
    if len(tokens) == 1 and word(tokens[0], sql) == "null":
        return None
    match option:
        case "epsilon":
            return _epsilon(tokens, sql)
        case "delta":
            return _delta(tokens, sql)
        case "max_groups_contributed":
            hint = "how many groups one unit counts in, e.g. 4"
            return _whole(option, tokens, sql, _MAX_GROUPS, hint)
        case "min_privacy_units_per_group":
            hint = "how many units a group must have to be shown, e.g. 20"
            return _whole(option, tokens, sql, _MAX_UNITS, hint)
        case "group_selection_strategy":
            return _strategy(tokens, sql)
        case "privacy_unit_column":
            return _unit_column(tokens, sql)
        case _:
            raise ValueError(option)


def bounds(
    low: Sequence[Token], high: Sequence[Token], sql: str, where: Place
) -> Bounds:
    """
    Return the bounds that ``(low, high)`` writes.

    Raises:
        QueryRefused: DPQ137, they are no constants, or the lower is not below.
    """
    lower, upper = _number(low), _number(high)
    for value, tokens in ((lower, low), (upper, high)):
        place = place_of(tokens, sql) if tokens else where
        if value is None:
            hint = "write two plain numbers, e.g. (0, 500): bounds come from no row"
            msg = "a bound is a constant number"
            raise QueryRefused(msg, code="DPQ137", place=place, hint=hint)
        if abs(value) > _MAX_BOUND:
            msg = "a bound must lie within ±1e30"
            raise QueryRefused(msg, code="DPQ137", place=place)
    if lower is None or upper is None or not lower < upper:
        msg = "the lower bound is not below the upper bound"
        hint = "write (lower, upper), e.g. (0, 500)"
        raise QueryRefused(msg, code="DPQ137", place=where, hint=hint)
    return Bounds(lower, upper, where)


def _number(tokens: Sequence[Token]) -> Decimal | None:
    """Return the plain number that *tokens* write, if they write one."""
    text = "".join(token.text for token in tokens)
    if len(text) > _MAX_NUMBER or not _NUMBER.fullmatch(text):
        return None
    if any(each.token_type not in _OF_NUMBERS for each in tokens):
        return None  # in quotes, it is a text or a name
    # a sign may stand apart from its number, a point may not
    for before, after in pairwise(tokens):
        if before.text not in {"+", "-"} and before.end + 1 != after.start:
            return None
    return Decimal(text)


def _constant(option: str, tokens: Sequence[Token], sql: str, example: str) -> Decimal:
    value = _number(tokens)
    if value is None:
        message = f"{option} takes a constant number"
        hint = f"write it plainly: {option} = {example}"
        raise unreadable(place_of(tokens, sql), message, hint)
    return value


def _epsilon(tokens: Sequence[Token], sql: str) -> Decimal:
    value = _constant("epsilon", tokens, sql, "0.5")
    if not _MIN_EPSILON <= value <= _MAX_EPSILON:
        message = "epsilon must lie between 1e-6 and 1e9"
        hint = "there is no answer without noise; epsilon = 0.5, say"
        raise _out_of_range(tokens, sql, message, hint)
    return value


def _delta(tokens: Sequence[Token], sql: str) -> Decimal:
    value = _constant("delta", tokens, sql, "1e-10")
    if not _MIN_DELTA <= value < 1:
        message = "delta must be at least 1e-18 and less than 1"
        hint = "it is the chance of showing a group that should be withheld: 1e-10, say"
        raise _out_of_range(tokens, sql, message, hint)
    return value


def _whole(option: str, tokens: Sequence[Token], sql: str, most: int, hint: str) -> int:
    """Return a whole number from 1 to *most*; *hint* says what it is."""
    value = _constant(option, tokens, sql, "4")
    if not 1 <= value <= most:
        message = f"{option} must lie between 1 and {most}"
        raise _out_of_range(tokens, sql, message, hint)
    if value.as_tuple().exponent != 0:
        message = f"{option} takes a whole number"
        raise unreadable(place_of(tokens, sql), message, "write it in digits only")
    return int(value)


def _strategy(tokens: Sequence[Token], sql: str) -> GroupSelection:
    named = {fold(each): each for each in GroupSelection}
    found = word(tokens[0], sql) if len(tokens) == 1 else None
    if found not in named:
        message = "this is no strategy of choosing groups"
        hint = "one of: " + ", ".join(GroupSelection)
        raise unreadable(place_of(tokens, sql), message, hint)
    return named[found]


def _unit_column(tokens: Sequence[Token], sql: str) -> UnitColumn:
    names = [each.text for each in tokens[::2] if _is_name(each, sql)]
    points = [each.text for each in tokens[1::2]]
    if points not in ([], ["."]) or len(names) != len(points) + 1:
        message = "privacy_unit_column takes the name of a column"
        hint = "for example patient_id or visits.patient_id"
        raise unreadable(place_of(tokens, sql), message, hint)
    return UnitColumn(names[-1], names[0] if points else None)


def _is_name(token: Token, sql: str) -> bool:
    return token.token_type is TokenType.IDENTIFIER or word(token, sql) is not None


def _out_of_range(
    tokens: Sequence[Token], sql: str, message: str, hint: str
) -> QueryRefused:
    place = place_of(tokens, sql)
    return QueryRefused(message, code="DPQ136", place=place, hint=hint)
