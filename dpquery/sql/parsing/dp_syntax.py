"""Where ZetaSQL writes privacy parameters, in a text of any dialect.

``SELECT WITH DIFFERENTIAL_PRIVACY OPTIONS (…)`` and ``SUM(x,
contribution_bounds_per_group => (0, 500))`` are no SQL to the parser, so they are cut
out of its tokens; the others keep their places. A comment on the token before a cut
leads back to its node: comments of the text do not get as far (see gate).

Claim: what is cut out is found on exactly one node, or the query is refused; and no
text puts parameters on a node but by writing them there.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

from sqlglot import Token, TokenType, exp

from dpquery.errors import DPQueryError, Place, QueryRefused
from dpquery.policy.ownership import suggest
from dpquery.sql.parsing.dp_options import (
    Bounds,
    ContributionBounds,
    DPOptions,
    bounds,
    option_value,
    place_of,
    unreadable,
    word,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

Parameters: TypeAlias = DPOptions | ContributionBounds

_META = "dp"
_CLAUSE = "differential_privacy"
_OTHER_CLAUSES = {
    "anonymization": "write WITH DIFFERENTIAL_PRIVACY instead",
    "aggregation_threshold": "leave it out: small groups are withheld anyway",
}
_OPTIONS = (
    "epsilon",
    "delta",
    "max_groups_contributed",
    "min_privacy_units_per_group",
    "group_selection_strategy",
    "privacy_unit_column",
)
_OTHER_OPTIONS = {
    "kappa": "write max_groups_contributed instead",
    "k_threshold": (
        "write delta instead, from which the threshold follows, or\n"
        "min_privacy_units_per_group"
    ),
    "max_rows_contributed": (
        "leave it out: what a unit adds to a group is bounded, not its rows; see\n"
        "contribution_bounds_per_group"
    ),
    "group_selection_epsilon": "leave it out: epsilon is shared by all measurements",
}
_BOUNDS = {
    "contribution_bounds_per_group": "per_group",
    "contribution_bounds_per_row": "per_row",
}
_EXAMPLE = "for example SUM(cost, contribution_bounds_per_group => (0, 500))"
_OTHER_ARGUMENTS = {
    "report_format": "leave it out: every answer comes with its interval",
    "epsilon": "write it once, in OPTIONS: it is shared by all measurements",
    "contribution_bounding_strategy": "leave it out: the policy says how",
    "max_contributions_per_group": (
        "leave it out: what a unit adds to a group is bounded, not its rows; see\n"
        "contribution_bounds_per_group"
    ),
}

_OPENING = {TokenType.L_PAREN, TokenType.L_BRACKET, TokenType.L_BRACE}
_CLOSING = {TokenType.R_PAREN, TokenType.R_BRACKET, TokenType.R_BRACE}
_ENDS = {TokenType.COMMA, TokenType.R_PAREN}
_EQUALS = {TokenType.EQ, TokenType.ALIAS}  # an alias to one dialect

_AROUND_CALLS = (exp.Alias, exp.Window, exp.Filter, exp.WithinGroup, exp.IgnoreNulls)
"""Nodes that take the comment of a call in them."""


@dataclass(frozen=True, slots=True)
class Cut:
    """The tokens of plain SQL, and what stood between them."""

    tokens: list[Token]
    parameters: Mapping[str, Parameters]
    """By the comment that leads to the node."""


def options_of(select: exp.Expr) -> DPOptions | None:
    """Return the options that stand behind the SELECT of this node."""
    found = select.meta_get(_META)
    return found if isinstance(found, DPOptions) else None


def bounds_of(call: exp.Expr) -> ContributionBounds | None:
    """
    Return the contribution bounds in the brackets of this call.

    Calls that differ in nothing else are equal to sqlglot.
    """
    found = call.meta_get(_META)
    return found if isinstance(found, ContributionBounds) else None


def written(tree: exp.Expr) -> Iterator[Place]:
    """Yield the places of all clauses and bounds in *tree*."""
    for node in tree.walk():
        match node.meta_get(_META):
            case DPOptions(place=place):
                yield place
            case ContributionBounds(per_group=per_group, per_row=per_row):
                yield from (each.place for each in (per_group, per_row) if each)


def cut(sql: str, tokens: Sequence[Token]) -> Cut:
    """
    Return *tokens*, which have no comments, without clauses and bounds.

    Raises:
        SQLSyntaxError: DPQ006, a clause cannot be read.
        QueryRefused: DPQ135, it asks for what is not supported; DPQ136 and DPQ137, a
            value is out of range.
    """
    return _Reader(sql, tokens).read()


def attach(tree: exp.Expr, parameters: Mapping[str, Parameters]) -> None:
    """
    Put *parameters* on their nodes, and remove the comments that lead there.

    Raises:
        SQLSyntaxError: DPQ006, the parser made something else of a SELECT.
        QueryRefused: DPQ137, bounds stand in what is no aggregate.
    """
    marked: dict[str, list[exp.Expr]] = {key: [] for key in parameters}
    for node in tree.walk():
        for comment in {*node.pop_comments()}:
            if comment in marked:
                marked[comment].append(node)
    for key, found in parameters.items():
        home = _home(key, marked[key], found)
        if home is None:
            raise _lost(found)
        home.meta[_META] = found


def _home(key: str, nodes: list[exp.Expr], found: Parameters) -> exp.Expr | None:
    """Return the node that *found* belongs to, if there is one and no other."""
    if len(nodes) != 1:
        return None
    node = nodes[0]
    if isinstance(found, DPOptions):
        return node if isinstance(node, exp.Select) else None
    while isinstance(node, _AROUND_CALLS):
        node = node.this
    here = str(node.meta_get("start", key)) == key
    return node if isinstance(node, exp.AggFunc) and here else None


def _lost(found: Parameters) -> DPQueryError:
    """Return the error for parameters that no node takes."""
    if isinstance(found, DPOptions):
        hint = "write the clause directly behind the SELECT of a query"
        return unreadable(found.place, "this clause belongs to no SELECT", hint)
    either = found.per_group or found.per_row
    place = None if either is None else either.place
    msg = "contribution bounds belong into an aggregate"
    return QueryRefused(msg, code="DPQ137", place=place, hint=_EXAMPLE)


def _unsupported(place: Place, name: str, hint: str) -> QueryRefused:
    msg = f"{name} is not supported"
    return QueryRefused(msg, code="DPQ135", place=place, hint=hint)


class _Reader:
    """Goes through the tokens once, from left to right."""

    def __init__(self, sql: str, tokens: Sequence[Token]) -> None:
        self.sql = sql
        self.tokens = tokens
        self.at = 0
        self.kept: list[Token] = []
        self.found: dict[str, Parameters] = {}
        self.open: list[Token | None] = []
        """For each open bracket, the token before it."""

    def read(self) -> Cut:
        """Copy all tokens but those of clauses and bounds."""
        while self.at < len(self.tokens):
            if self.kind() is TokenType.WITH and self.kind(-1) is TokenType.SELECT:
                self.clause()
            elif self.kind(1) is TokenType.FARROW:
                self.argument()
            else:
                self.refuse_misplaced()
                self.keep()
        return Cut(self.kept, self.found)

    def kind(self, ahead: int = 0) -> TokenType | None:
        """Return the type of a token from here, if there is one."""
        at = self.at + ahead
        return self.tokens[at].token_type if 0 <= at < len(self.tokens) else None

    def word(self, ahead: int = 0) -> str:
        """Return a token from here in lower case, if it is a word unquoted."""
        at = self.at + ahead
        return (word(self.tokens[at], self.sql) or "") if at < len(self.tokens) else ""

    def place(self, start: int | None = None) -> Place:
        """Return the place of the next token, or from *start* up to it."""
        if start is None:
            next_one = min(self.at, len(self.tokens) - 1)  # or the last, at the end
            return place_of([self.tokens[next_one]], self.sql)
        return place_of(self.tokens[start : self.at], self.sql)

    def keep(self) -> None:
        """Leave the next token to the parser."""
        token = self.tokens[self.at]
        if token.token_type in _OPENING:
            self.open.append(self.kept[-1] if self.kept else None)
        elif token.token_type in _CLOSING and self.open:
            self.open.pop()
        self.kept.append(token)
        self.at += 1

    def expect(self, kinds: set[TokenType], what: str) -> None:
        """Read a token of one of these *kinds*."""
        if self.kind() not in kinds:
            raise unreadable(self.place(), f"{what} is expected here")
        self.at += 1

    def value(self) -> list[Token]:
        """Read up to a comma or a bracket that closes, both outside brackets."""
        start, depth = self.at, 0
        while (kind := self.kind()) is not None and (depth or kind not in _ENDS):
            depth += (kind in _OPENING) - (kind in _CLOSING)
            self.at += 1
        if start == self.at:
            raise unreadable(self.place(), "a value is missing here")
        return list(self.tokens[start : self.at])

    # --- the clause ---------------------------------------------------------------

    def clause(self) -> None:
        """Read what stands between a SELECT and its columns."""
        start, name = self.at, self.word(1)
        if name in _OTHER_CLAUSES:
            self.at += 2
            hint = _OTHER_CLAUSES[name]
            raise _unsupported(self.place(start), f"WITH {name.upper()}", hint)
        if name != _CLAUSE:
            self.keep()
            return
        self.at += 2
        said, places = self.options()
        asked = DPOptions(self.place(start), places=tuple(places.items()))
        self.mark(self.kept[-1], replace(asked, **said))

    def options(self) -> tuple[dict[str, Any], dict[str, Place]]:
        """Read OPTIONS, if it is there: what each says, and where it stands."""
        said: dict[str, Any] = {}
        places: dict[str, Place] = {}
        if self.word() != "options" or self.kind(1) is not TokenType.L_PAREN:
            return said, places
        self.at += 2
        if self.kind() is TokenType.R_PAREN:
            self.at += 1
            return said, places
        while True:
            start = self.at
            name = self.option(places)
            self.expect(_EQUALS, "=")
            said[name] = option_value(name, self.value(), self.sql)
            places[name] = self.place(start)
            if self.kind() is TokenType.R_PAREN:
                self.at += 1
                return said, places
            self.expect({TokenType.COMMA}, "a comma or a closing bracket")

    def option(self, before: Mapping[str, Place]) -> str:
        """Read the name of an option that was not there *before*."""
        name, place = self.word(), self.place()
        if name in _OTHER_OPTIONS:
            raise _unsupported(place, name, _OTHER_OPTIONS[name])
        if name not in _OPTIONS:
            known = "known options: " + ", ".join(_OPTIONS)
            message = "there is no such option" if name else "an option belongs here"
            raise unreadable(place, message, suggest(name, _OPTIONS) or known)
        if name in before:
            raise unreadable(place, f"{name} is there twice", "keep one")
        self.at += 1
        return name

    def refuse_misplaced(self) -> None:
        """Refuse a clause that is neither behind a SELECT nor a query's name."""
        if self.kind() is not TokenType.WITH or self.word(1) != _CLAUSE:
            return
        if self.kind(2) not in {TokenType.ALIAS, TokenType.L_PAREN}:
            self.at += 2
            hint = "write it directly behind SELECT, before DISTINCT and the columns"
            message = "this clause stands in the wrong place"
            raise unreadable(self.place(self.at - 2), message, hint)

    # --- bounds -------------------------------------------------------------------

    def argument(self) -> None:
        """Read a name with its arrow: bounds, or what the parser is to judge."""
        name, place = self.word(), self.place()
        if name in _BOUNDS:
            self.bounds(name)
        elif name in _OTHER_ARGUMENTS:
            raise _unsupported(place, name, _OTHER_ARGUMENTS[name])
        elif name.startswith("contribution"):
            known = "known arguments: " + ", ".join(_BOUNDS)
            message = "there is no such argument"
            raise unreadable(place, message, suggest(name, _BOUNDS) or known)
        else:
            self.keep()

    def bounds(self, name: str) -> None:
        """Read ``name => (low, high)`` with the comma before it."""
        start = self.at
        before = [each.token_type for each in self.kept[-2:]]
        if before[1:] != [TokenType.COMMA] or before[0] in _OPENING | {TokenType.COMMA}:
            message = f"{name} stands behind what is aggregated"
            raise unreadable(self.place(), message, _EXAMPLE)
        self.at += 2
        self.expect({TokenType.L_PAREN}, "an opening bracket")
        low = self.value()
        self.expect({TokenType.COMMA}, "a comma before the upper bound")
        high = self.value()
        self.expect({TokenType.R_PAREN}, "a closing bracket")
        if self.kind() not in _ENDS:
            raise unreadable(self.place(), "a comma or a bracket is expected here")
        self.kept.pop()
        self.bound(name, bounds(low, high, self.sql, self.place(start)))

    def bound(self, name: str, found: Bounds) -> None:
        """Note that the call around has these bounds."""
        call = self.open[-1] if self.open else None
        if call is None:
            raise _lost(ContributionBounds(found))
        before = self.found.get(str(call.start))
        known = before if isinstance(before, ContributionBounds) else None
        field = _BOUNDS[name]
        if getattr(known, field, None) is not None:
            raise unreadable(found.place, f"{name} is there twice", "keep one")
        self.mark(call, replace(known or ContributionBounds(), **{field: found}))

    def mark(self, token: Token, found: Parameters) -> None:
        """Write on *token* where the parameters are that belong to its node."""
        key = str(token.start)
        token.comments = [key]
        self.found[key] = found
