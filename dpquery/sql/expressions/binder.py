"""Expressions of one row: sqlglot trees in, typed plan expressions out.

This is an allow-list: a node that no handler names is refused with its position. The
handlers are in tables, one file a family: conditions, values, dates, nested values.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, NoReturn

from sqlglot import exp

from dpquery.errors import Place, QueryRefused
from dpquery.plan.expressions import (
    NULL,
    RELEASABLE,
    TEMPORAL,
    Call,
    ColumnRef,
    Expression,
    Literal,
)
from dpquery.plan.render import constant_text
from dpquery.policy.catalog import SqlType, fold
from dpquery.sql.expressions.arguments import MisfitError, fit
from dpquery.sql.expressions.casts import CASTS
from dpquery.sql.expressions.conditions import CONDITIONS
from dpquery.sql.expressions.constant_folding import simplified
from dpquery.sql.expressions.dates import DATE_CALLS, DATES
from dpquery.sql.expressions.nested import NESTED, struct_column
from dpquery.sql.expressions.scope import Scope, nearest
from dpquery.sql.expressions.spans import ARITHMETIC, SPAN_CALLS
from dpquery.sql.expressions.spellings import (
    HARMLESS,
    NAMED_NODES,
    SPECIAL,
    UNSUPPORTED,
)
from dpquery.sql.expressions.texts import TEXTS
from dpquery.sql.expressions.values import VALUE_CALLS, VALUES
from dpquery.sql.functions import ALIASES, FUNCTIONS, OVERLOADS
from dpquery.sql.literals import as_type, common_type, compared_type
from dpquery.sql.lowering.cost import MAX_LEVELS, MAX_NODES, cost
from dpquery.sql.parsing.parse import place_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dpquery.sql.expressions.handler import Handler

_LISTED = "docs/functions.md lists what there is"
MAX_DEPTH = 40
"""Operations inside each other. The engine's parser stops at 250 levels, and one
operation becomes about five; what exactly it becomes is counted afterwards
(``cost``), for a query must not fail after it was charged."""

_HANDLERS: dict[type[exp.Expr], Handler] = {
    **CONDITIONS,
    **VALUES,
    **CASTS,
    **ARITHMETIC,
    **DATES,
    **TEXTS,
    **NESTED,
}
_CALLS: dict[str, Handler] = {**VALUE_CALLS, **SPAN_CALLS, **DATE_CALLS}
"""Functions that sqlglot has no node for and that need more than the table, by name."""


class RowBinder:
    """Binds expressions that are computed from one row below the DP boundary."""

    def __init__(self, sql: str, scope: Scope, now: dt.datetime | None = None) -> None:
        """
        Bind within *scope*; ``current_date`` and the like are constants made of *now*.

        *now* is the moment of the whole query, in UTC where it has no zone. Without it,
        functions that read the clock are refused.
        """
        self._sql = sql
        self._scope = scope
        self._depth = 0
        self.now = now if now is None or now.tzinfo is None else now.astimezone(dt.UTC)

    @property
    def scope(self) -> Scope:
        """The tables that can be named."""
        return self._scope

    def place(self, node: exp.Expr) -> Place | None:
        """Return where *node* stands in the query."""
        return place_of(node, self._sql)

    def refusal(
        self,
        node: exp.Expr,
        message: str,
        code: str = "DPQ100",
        hint: str | None = None,
    ) -> QueryRefused:
        """Return the error that refuses the query because of *node*."""
        return QueryRefused(message, code=code, place=self.place(node), hint=hint)

    # --- entry points ------------------------------------------------------------

    def bind(self, node: exp.Expr) -> Expression:
        """Return the plan's expression for *node*, or refuse it."""
        self._depth += 1
        try:
            if self._depth > MAX_DEPTH:
                msg = "this expression is nested too deeply"
                hint = f"at most {MAX_DEPTH} operations inside each other"
                raise self.refusal(node, msg, "DPQ004", hint)
            bound = self._bind(node)
        finally:
            self._depth -= 1
        if self._depth == 0:
            self._check_cost(node, bound)
        return bound

    def boolean(self, node: exp.Expr) -> Expression:
        """Bind a condition."""
        bound = self.bind(node)
        if bound.type is SqlType.BOOLEAN or bound == NULL:
            return as_type(bound, SqlType.BOOLEAN)
        raise self.refusal(
            node,
            f"a condition is expected, not a value of type {bound.type}",
            "DPQ105",
            "compare it with something, e.g. x > 0 or x IS NOT NULL",
        )

    def releasable(self, node: exp.Expr) -> Expression:
        """Bind a group key or a column of the answer: times and lists are neither."""
        bound = self.bind(node)
        if bound.type in RELEASABLE or bound == NULL:
            return bound
        raise self.refusal(
            node,
            f"a value of type {bound.type} cannot be a group or a column of the answer",
            "DPQ105",
            _PLAIN_FORMS.get(bound.type, "use an element of it, or its length"),
        )

    # --- what subclasses may answer ----------------------------------------------

    def special(self, node: exp.Expr) -> Expression:
        """Bind a subquery, an aggregate or a window; here they are refused."""
        return self.unknown(node)

    def in_query(self, node: exp.In) -> Expression:
        """Bind ``x IN (SELECT …)``; here it is refused."""
        raise self.refusal(
            node,
            "IN with a subquery stands where none may stand",
            "DPQ115",
            "list the values, or join the table",
        )

    def quantified(
        self, node: exp.Expr, name: str, query: exp.Query, *, every: bool
    ) -> Expression:
        """Bind ``x > ANY (SELECT …)``, or ALL; here it is refused."""
        _ = node, name, every
        return self.special(query)

    def column(self, node: exp.Column) -> Expression:
        """Bind a column of a table in FROM, or a field of one."""
        if isinstance(node.this, exp.Star):
            return self.unknown(node.this)
        field = struct_column(self, node)
        if field is not None:
            return field
        if not isinstance(node.this, exp.Identifier) or node.args.get("db"):
            raise self.refusal(
                node, f"{node.sql()} is not the name of a column", "DPQ102"
            )
        bound = self._scope.column(node.name, node.table or None, self.place(node))
        if bound.type is SqlType.UNSUPPORTED and isinstance(bound, ColumnRef):
            msg = f"{bound.name} has the type {bound.engine_type}, which cannot be used"
            hint = "ask the owner for a view with a plain type"
            if not bound.engine_type:  # nothing but NULL was selected
                msg = f"{bound.name} is NULL without a type"
                hint = "write it as CAST(NULL AS INTEGER), or another type"
            raise self.refusal(node, msg, "DPQ105", hint)
        return bound

    def unknown(self, node: exp.Expr) -> NoReturn:
        """Refuse a node that the allow-list does not have, as helpfully as we can."""
        for kinds, message, code, hint in UNSUPPORTED:
            if isinstance(node, kinds):
                raise self.refusal(node, message, code, hint)
        name = node.sql_name() if isinstance(node, exp.Func) else node.key.upper()
        raise self.refusal(node, f"{name} is not supported", "DPQ106", _LISTED)

    # --- what handlers use -------------------------------------------------------

    def named(self, node: exp.Expr, name: str, nodes: Sequence[exp.Expr]) -> Expression:
        """Bind a function of the table, by its name or one of its aliases."""
        name = ALIASES.get(name, name)
        if name not in FUNCTIONS:
            close = nearest(name, [*FUNCTIONS, *ALIASES])
            hint = f"did you mean {close}?" if close else _LISTED
            msg = f"there is no function {name}, or it is not safe on every row"
            raise self.refusal(node, msg, "DPQ106", hint)
        return self.typed(node, name, [self.bind(_word(each)) for each in nodes])

    def typed(
        self, node: exp.Expr, name: str, arguments: Sequence[Expression]
    ) -> Expression:
        """Return a call of the table, its arguments as the function wants them."""
        for types, instead in OVERLOADS.get(name, ()):
            if arguments and arguments[0].type in types:
                name = instead
        function = FUNCTIONS[name]
        try:
            fitted = fit(function, list(arguments))
        except MisfitError as misfit:
            raise self.refusal(node, misfit.message, misfit.code, misfit.hint) from None
        return simplified(Call(name, fitted, function.result(fitted)))

    def common(
        self, node: exp.Expr, parts: Sequence[Expression], *, compared: bool = False
    ) -> SqlType:
        """Return one type for all parts, or refuse."""
        find = compared_type if compared else common_type
        type_ = find(list(parts))
        if type_ is not None:
            return type_
        times = {each.type for each in parts} & TEMPORAL
        texts = [
            e for e in parts if isinstance(e, Literal) and isinstance(e.value, str)
        ]
        if times and texts:
            msg = f"{constant_text(texts[0].value)} is not a {min(times)}"
            raise self.refusal(node, msg, "DPQ105", "write it as '2026-01-31'")
        kinds = " and ".join(dict.fromkeys(str(each.type) for each in parts))
        raise self.refusal(
            node,
            f"{kinds} are put side by side here, and have no type in common",
            "DPQ105",
            "write the constant in the column's type, or use TRY_CAST",
        )

    # --- one node ----------------------------------------------------------------

    def _bind(self, node: exp.Expr) -> Expression:
        """Bind one node; the tables are the allow-list."""
        kind = type(node)
        if isinstance(node, exp.Column):
            return self.column(node)
        if kind is exp.Paren:
            return self.bind(node.this)
        if kind in _HANDLERS:
            return _HANDLERS[kind](self, node)
        if isinstance(node, exp.Anonymous):
            name = fold(str(node.this))
            if name in _CALLS:
                return _CALLS[name](self, node)
            return self.named(node, name, node.expressions)
        if kind in NAMED_NODES:
            name, parts = NAMED_NODES[kind]
            given = {key for key, value in node.args.items() if value}
            if given - set(parts) - HARMLESS:
                self.unknown(node)
            present = [node.args[part] for part in parts if node.args.get(part)]
            return self.named(node, name, present)
        if isinstance(node, SPECIAL):
            return self.special(node)
        return self.unknown(node)

    def _check_cost(self, node: exp.Expr, bound: Expression) -> None:
        """Refuse what would keep the engine's planner busy."""
        size = cost(bound)
        if size.nodes > MAX_NODES or size.levels > MAX_LEVELS:
            msg = "this expression becomes too large when it is made safe for every row"
            hint = (
                "divide, NULLIF and date functions inside each other add up; use fewer"
            )
            raise self.refusal(node, msg, "DPQ004", hint)


_PLAIN_FORMS = {
    SqlType.INTERVAL: "use EXTRACT(epoch FROM …) or date_diff('day', …, …)",
    SqlType.TIME: "use its hour, or CAST(… AS VARCHAR)",
    SqlType.STRUCT: "use a field of it",
}
"""What to write in place of values that are not released."""


def _word(node: exp.Expr) -> exp.Expr:
    """Return a date unit, which sqlglot keeps as a bare word, as a text."""
    if isinstance(node, exp.Var):
        literal = exp.Literal.string(fold(node.name))
        literal.meta.update(node.meta)
        return literal
    return node
