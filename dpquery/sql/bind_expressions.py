"""Expressions of one row: sqlglot trees in, typed plan expressions out.

This is an allow-list. A node that no case names is refused with its position.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from sqlglot import exp

from dpquery.errors import Place, QueryRefused
from dpquery.plan.expressions import (
    NULL,
    NUMERIC,
    TEMPORAL,
    Call,
    Case,
    Cast,
    Expression,
    Literal,
)
from dpquery.plan.render import constant_text
from dpquery.policy.catalog import SqlType, fold
from dpquery.sql.arguments import MisfitError, fit
from dpquery.sql.functions import ALIASES, FUNCTIONS, Function
from dpquery.sql.literals import (
    as_type,
    coerced,
    common_type,
    negated,
    number_literal,
    parse_date,
    parse_timestamp,
)
from dpquery.sql.parse import place_of
from dpquery.sql.scope import Scope, nearest
from dpquery.sql.spellings import CAST_TYPES, COMPARISONS, NAMED_NODES, UNSUPPORTED

if TYPE_CHECKING:
    from collections.abc import Sequence


_TRIMS = {"LEADING": "ltrim", "TRAILING": "rtrim", "BOTH": "trim"}
MAX_DEPTH = 40
"""Operations inside each other. The engine's parser stops at 250 levels, and one
operation becomes at most five: a query must not fail after it was charged."""


class RowBinder:
    """Binds expressions that are computed from one row below the DP boundary."""

    def __init__(self, sql: str, scope: Scope) -> None:
        self._sql = sql
        self._scope = scope
        self._depth = 0

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

    def bind(self, node: exp.Expr) -> Expression:
        """Return the plan's expression for *node*, or refuse it."""
        self._depth += 1
        try:
            if self._depth > MAX_DEPTH:
                msg = "this expression is nested too deeply"
                hint = f"at most {MAX_DEPTH} operations inside each other"
                raise self.refusal(node, msg, "DPQ004", hint)
            return self._bind(node)
        finally:
            self._depth -= 1

    def _bind(self, node: exp.Expr) -> Expression:
        """Bind one node; the cases are the allow-list."""
        match node:
            case exp.Paren():
                return self.bind(node.this)
            case exp.Column():
                return self.column(node)
            case exp.Literal() | exp.Boolean() | exp.Null():
                return self._literal(node)
            case exp.Neg():
                return self._negation(node)
            case exp.Cast() | exp.TryCast():
                return self._cast(node)
            case exp.And() | exp.Or():
                name = "and" if isinstance(node, exp.And) else "or"
                return Call(name, self._booleans(node), SqlType.BOOLEAN)
            case exp.Not():
                return Call("not", (self.boolean(node.this),), SqlType.BOOLEAN)
            case exp.Is():
                return self._is(node)
            case exp.Between():
                return self._between(node)
            case exp.In():
                return self._in(node)
            case exp.Case() | exp.If():
                return self._case(node)
            case exp.Coalesce() | exp.Least() | exp.Greatest() | exp.Nullif():
                return self._alike(node)
            case exp.Concat():
                return self._concat(node)
            case exp.Like() | exp.ILike() if node.args.get("negate"):
                positive = node.copy()
                positive.set("negate", None)
                return Call("not", (self._bind(positive),), SqlType.BOOLEAN)
            case exp.Trim(this=inner) if node.args.get("position") in _TRIMS:
                name = _TRIMS[node.args["position"]]
                return self._function(node, name, [inner], ("this", "position"))
            case exp.Extract():
                return self._extract(node)
            case exp.Anonymous():
                return self._anonymous(node)
            case exp.Query() | exp.Exists() | exp.Window() | exp.AggFunc():
                return self.special(node)
        kind = type(node)
        if kind in COMPARISONS:
            found = self.compared(node, COMPARISONS[kind])
            if found is not None:
                return found
            return self._compare(node, COMPARISONS[kind], node.this, node.expression)
        if kind in NAMED_NODES:
            name, parts = NAMED_NODES[kind]
            present = [node.args[part] for part in parts if node.args.get(part)]
            return self._function(node, name, present, allowed=parts)
        return self.unknown(node)

    def special(self, node: exp.Expr) -> Expression:
        """Refuse what reads more than one row; where that has a meaning, override."""
        return self.unknown(node)

    def in_query(self, node: exp.In, query: exp.Query) -> Expression:
        """Refuse ``x IN (SELECT …)``; where that has a meaning, override."""
        _ = query
        return self.unknown(node)

    def compared(self, node: exp.Expr, name: str) -> Expression | None:
        """Return a comparison with ANY or ALL, where that has a meaning."""
        _ = node, name
        return None

    def unknown(self, node: exp.Expr) -> NoReturn:
        """Refuse a node that the allow-list does not have, as helpfully as we can."""
        for kinds, message, code, hint in UNSUPPORTED:
            if isinstance(node, kinds):
                raise self.refusal(node, message, code, hint)
        name = node.sql_name() if isinstance(node, exp.Func) else node.key.upper()
        raise self.refusal(node, f"{name} is not supported", "DPQ106")

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

    def column(self, node: exp.Column) -> Expression:
        """Bind a column of a table in FROM."""
        if isinstance(node.this, exp.Star):
            return self.unknown(node.this)
        if not isinstance(node.this, exp.Identifier) or node.args.get("db"):
            raise self.refusal(
                node, f"{node.sql()} is not the name of a column", "DPQ102"
            )
        bound = self._scope.column(node.name, node.table or None, self.place(node))
        if bound.type is SqlType.UNSUPPORTED:
            raise self.refusal(
                node,
                f"{bound.name} has the type {bound.engine_type}, which cannot be used",
                "DPQ105",
                "ask the owner for a view with a plain type",
            )
        return bound

    # --- constants and casts -----------------------------------------------------

    def _literal(self, node: exp.Expr) -> Expression:
        if isinstance(node, exp.Null):
            return NULL
        if isinstance(node, exp.Boolean):
            return Literal(bool(node.this), SqlType.BOOLEAN)
        if node.is_string:
            return Literal(str(node.this), SqlType.VARCHAR)
        literal = number_literal(str(node.this))
        if literal is None:
            raise self.refusal(
                node, f"{node.this} is not a number that can be used", "DPQ105"
            )
        return literal

    def _negation(self, node: exp.Neg) -> Expression:
        inner = self.bind(node.this)
        if isinstance(inner, Literal):
            literal = negated(inner)
            if literal is not None:
                return literal
        return self._typed(node, FUNCTIONS["negate"], [inner])

    def _cast(self, node: exp.Cast) -> Expression:
        """Bind CAST and TRY_CAST alike: a value that does not fit becomes NULL."""
        inner = self.bind(node.this)
        target = CAST_TYPES.get(node.to.this)
        sized = node.to.expressions and target is not SqlType.DOUBLE
        if target is None or sized:
            shown = ", ".join(sorted({str(each) for each in CAST_TYPES.values()}))
            raise self.refusal(
                node,
                f"casts to {node.to.sql('duckdb')} are not supported",
                "DPQ105",
                f"cast to one of {shown}",
            )
        if isinstance(inner, Literal):
            return self._constant_cast(node, inner, target)
        if not _castable(inner.type, target):
            raise self.refusal(node, f"{inner.type} cannot become {target}", "DPQ105")
        return inner if inner.type is target else Cast(inner, target)

    def _constant_cast(
        self, node: exp.Expr, literal: Literal, target: SqlType
    ) -> Expression:
        """Convert a constant now: a constant that cannot be converted is refused."""
        value = literal.value
        found = coerced(literal, target)
        if found is None and isinstance(value, str):
            match target:
                case SqlType.INTEGER | SqlType.DOUBLE:
                    sign = value.startswith("-")
                    bare = number_literal(value[1:] if sign else value)
                    bare = negated(bare) if bare is not None and sign else bare
                    found = coerced(bare, target) if bare is not None else None
                    if found is None and value.lower() in {"nan", "inf", "-inf"}:
                        found = Literal(None, target)  # these are NULL in dpquery
                case SqlType.DATE:
                    day = parse_date(value)
                    found = None if day is None else Literal(day, target)
                case SqlType.TIMESTAMP:
                    stamp = parse_timestamp(value)
                    found = None if stamp is None else Literal(stamp, target)
        if found is None and target is SqlType.VARCHAR and not isinstance(value, bool):
            found = Literal(str(value), target)
        if found is not None:
            return found
        if literal.type is not SqlType.VARCHAR and _castable(literal.type, target):
            return Cast(literal, target)
        article = "an" if target is SqlType.INTEGER else "a"
        msg = f"{constant_text(literal.value)} is not {article} {target}"
        raise self.refusal(node, msg, "DPQ105")

    # --- conditions --------------------------------------------------------------

    def _booleans(self, node: exp.Connector) -> tuple[Expression, ...]:
        """Bind the parts of a chain of ANDs or ORs, flat."""
        return tuple(self.boolean(part) for part in node.flatten())

    def _is(self, node: exp.Is) -> Expression:
        inner, right = self.bind(node.this), node.expression
        if isinstance(right, exp.Not):
            test = self._is_what(node, inner, right.this)
            return Call("not", (test,), SqlType.BOOLEAN)
        return self._is_what(node, inner, right)

    def _is_what(self, node: exp.Is, inner: Expression, right: exp.Expr) -> Expression:
        if isinstance(right, exp.Null):
            return Call("is_null", (inner,), SqlType.BOOLEAN)
        if isinstance(right, exp.Boolean) and inner.type is SqlType.BOOLEAN:
            wanted = inner if right.this else Call("not", (inner,), SqlType.BOOLEAN)
            never = Literal(False, SqlType.BOOLEAN)
            return Call("coalesce", (wanted, never), SqlType.BOOLEAN)
        return self.unknown(node)

    def _between(self, node: exp.Between) -> Expression:
        if node.args.get("symmetric"):
            raise self.refusal(node, "BETWEEN SYMMETRIC is not supported")
        low = self._compare(node, "ge", node.this, node.args["low"])
        high = self._compare(node, "le", node.this, node.args["high"])
        return Call("and", (low, high), SqlType.BOOLEAN)

    def _in(self, node: exp.In) -> Expression:
        query = node.args.get("query")
        if isinstance(query, exp.Query):
            return self.in_query(
                node, query.unnest() if isinstance(query, exp.Subquery) else query
            )
        if node.args.get("query") or node.args.get("unnest") or node.args.get("field"):
            raise self.refusal(
                node,
                "IN with a subquery is not supported yet",
                "DPQ115",
                "list the values, or join the public table",
            )
        needle = self.bind(node.this)
        items = [self.bind(each) for each in node.expressions]
        if not items or not all(isinstance(item, Literal) for item in items):
            hint = "write the comparisons with OR"
            raise self.refusal(node, "IN takes a list of constants", "DPQ107", hint)
        type_ = self.common(node, [needle, *items])
        parts = tuple(as_type(each, type_) for each in (needle, *items))
        return Call("in", parts, SqlType.BOOLEAN)

    def _compare(
        self,
        node: exp.Expr,
        name: str,
        left: exp.Expr,
        right: exp.Expr,
    ) -> Expression:
        sides = [self.bind(left), self.bind(right)]
        if sides[0].type in NUMERIC and sides[1].type in NUMERIC:
            return Call(name, tuple(sides), SqlType.BOOLEAN)
        type_ = self.common(node, sides)
        arguments = tuple(as_type(each, type_) for each in sides)
        return Call(name, arguments, SqlType.BOOLEAN)

    def common(self, node: exp.Expr, parts: list[Expression]) -> SqlType:
        """Return one type for all parts, or refuse."""
        type_ = common_type(parts)
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

    # --- values ------------------------------------------------------------------

    def _case(self, node: exp.Case | exp.If) -> Expression:
        if isinstance(node, exp.If):
            pairs = [(self.boolean(node.this), self.bind(node.args["true"]))]
            default = node.args.get("false")
        else:
            pairs = [self._branch(node, each) for each in node.args["ifs"]]
            default = node.args.get("default")
        otherwise = self.bind(default) if default is not None else NULL
        type_ = self.common(node, [*(then for _, then in pairs), otherwise])
        branches = tuple((when, as_type(then, type_)) for when, then in pairs)
        return Case(branches, as_type(otherwise, type_), type_)

    def _branch(self, node: exp.Case, branch: exp.If) -> tuple[Expression, Expression]:
        """Bind one WHEN, of ``CASE x WHEN v`` as well as of ``CASE WHEN p``."""
        if node.this is not None:
            when = self._compare(branch, "eq", node.this, branch.this)
        else:
            when = self.boolean(branch.this)
        return when, self.bind(branch.args["true"])

    def _alike(self, node: exp.Expr) -> Expression:
        """Bind a function whose arguments have one type, which it returns."""
        second = [node.expression] if node.expression else []
        parts = [self.bind(each) for each in (node.this, *second, *node.expressions)]
        type_ = self.common(node, parts)
        arguments = tuple(as_type(each, type_) for each in parts)
        return Call(node.key, arguments, type_)

    def _concat(self, node: exp.Concat) -> Expression:
        """Bind CONCAT, which skips NULLs, unlike ``||``."""
        empty = Literal("", SqlType.VARCHAR)
        parts = [
            Call("coalesce", (self.bind(each), empty), SqlType.VARCHAR)
            for each in node.expressions
        ]
        return self._joined(node, [empty, *parts])

    def _joined(self, node: exp.Expr, parts: list[Expression]) -> Expression:
        """Concatenate as a balanced tree: many parts are not a deep expression."""
        if len(parts) == 1:
            return parts[0]
        half = len(parts) // 2
        sides = [self._joined(node, parts[:half]), self._joined(node, parts[half:])]
        return self._typed(node, FUNCTIONS["concat"], sides)

    def _extract(self, node: exp.Extract) -> Expression:
        return self._function(node, fold(node.this.name), [node.expression])

    def _anonymous(self, node: exp.Anonymous) -> Expression:
        name = fold(str(node.this))
        if name in {"date_part", "datepart"} and len(node.expressions) == 2:  # noqa: PLR2004
            part = node.expressions[0]
            if isinstance(part, exp.Literal) and part.is_string:
                return self._function(node, fold(part.name), node.expressions[1:])
            raise self.refusal(
                node, "the part of date_part is a constant text", "DPQ107"
            )
        return self._function(node, name, node.expressions)

    def _function(
        self,
        node: exp.Expr,
        name: str,
        arguments: Sequence[exp.Expr],
        allowed: Sequence[str] = (),
    ) -> Expression:
        """Bind a function of the table by its name or one of its aliases."""
        extra = [k for k, v in node.args.items() if v and allowed and k not in allowed]
        if [each for each in extra if each not in {"big_int", "safe", "typed"}]:
            self.unknown(node)
        name = ALIASES.get(name, name)
        if name not in FUNCTIONS:
            close = nearest(name, [*FUNCTIONS, *ALIASES])
            hint = f"did you mean {close}?" if close else None
            msg = f"there is no function {name}, or it is not safe on every row"
            raise self.refusal(node, msg, "DPQ106", hint)
        bound = [self.bind(self._unit_text(each)) for each in arguments]
        return self._typed(node, FUNCTIONS[name], bound)

    @staticmethod
    def _unit_text(node: exp.Expr) -> exp.Expr:
        """Return a date unit, which sqlglot keeps as a bare word, as a text."""
        if isinstance(node, exp.Var):
            literal = exp.Literal.string(fold(node.name))
            literal.meta.update(node.meta)
            return literal
        return node

    def _typed(
        self, node: exp.Expr, function: Function, arguments: list[Expression]
    ) -> Expression:
        """Return the call, its arguments as the function wants them."""
        try:
            fitted = fit(function, arguments)
        except MisfitError as misfit:
            raise self.refusal(node, misfit.message, misfit.code, misfit.hint) from None
        return Call(function.name, fitted, function.result(fitted))


def _castable(source: SqlType, target: SqlType) -> bool:
    """Return whether a cast means something; TRY_CAST makes it total."""
    if source is target or source is SqlType.VARCHAR or target is SqlType.VARCHAR:
        return True
    numbers = NUMERIC | {SqlType.BOOLEAN}
    if source in numbers and target in numbers:
        return True
    times = {SqlType.DATE, SqlType.TIMESTAMP}
    return source in times and target in times
