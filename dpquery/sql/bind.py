"""One SELECT into a plan: FROM and WHERE below the DP boundary, the rest above it.

Below stand private and public relations; the aggregates are the boundary; SELECT,
HAVING, ORDER BY and LIMIT are bound over the released table and are free.
"""

from __future__ import annotations

import re
from itertools import chain, count
from typing import TYPE_CHECKING, NoReturn

from sqlglot import exp

from dpquery.errors import Place, QueryRefused
from dpquery.plan.analysis.privacy_unit import own
from dpquery.plan.program import AggregateQuery, GroupKey, Output, PostQuery, Query
from dpquery.plan.relations import Filter, Join, JoinKind, Relation, Scan
from dpquery.plan.walk import depth
from dpquery.policy.catalog import fold
from dpquery.sql.bind_expressions import MAX_DEPTH, RowBinder
from dpquery.sql.bind_groups import GroupBinder
from dpquery.sql.literals import count_literal
from dpquery.sql.parse import DEFAULT_DIALECT, parse, place_of
from dpquery.sql.scope import Named, Scope, find_table

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dpquery.plan.expressions import Expression
    from dpquery.policy.catalog import Catalog

MAX_TABLES = 16
"""Tables in FROM; a self-join multiplies a unit's rows with each of them."""
RELEASED = "r1"
"""The name of the released table that the final SELECT reads."""


def bind(sql: str, catalog: Catalog, dialect: str = DEFAULT_DIALECT) -> Query:
    """
    Return the plan of *sql*.

    Raises:
        SQLSyntaxError: it is not one SELECT.
        QueryRefused: something in it is not on the allow-list.
    """
    try:
        return _Statement(parse(sql, dialect), sql, catalog).query()
    except RecursionError:
        msg = "the query is nested too deeply"
        raise QueryRefused(msg, code="DPQ004") from None


_CLAUSES = {
    "expressions",
    "from_",
    "joins",
    "where",
    "group",
    "having",
    "order",
    "limit",
    "offset",
}
_REFUSED_CLAUSES = {
    "with_": (
        "WITH is not supported yet",
        "write the inner query's joins and filters into the outer one",
    ),
    "distinct": ("SELECT DISTINCT is not supported yet", "GROUP BY the same columns"),
    "qualify": ("QUALIFY is not supported yet", "use HAVING on an aggregate"),
    "windows": ("window functions are not supported yet", None),
    "laterals": ("LATERAL is not supported yet", None),
    "sample": ("TABLESAMPLE is not supported yet", "filter by a column instead"),
    "into": ("SELECT INTO would write a table", "leave INTO out"),
    "locks": ("FOR UPDATE has no meaning here: nothing can be written", "leave it out"),
}


class _Statement:
    """Binds one statement; the order of the clauses is SQL's own."""

    def __init__(self, select: exp.Select, sql: str, catalog: Catalog) -> None:
        self._select = select
        self._sql = sql
        self._catalog = catalog
        self._names: set[str] = set()

    def query(self) -> Query:
        """Return the plan of the whole statement."""
        self._check_clauses()
        source, scope = self._from()
        rows = RowBinder(self._sql, scope)
        source = self._where(source, rows)
        units = own(source, self._catalog).units
        groups = GroupBinder(self._sql, scope, units, RELEASED)
        items = self._items()
        keys = self._group_keys(items, rows, scope)
        groups.set_keys(keys)
        outputs = self._outputs(items, groups)
        aliases = {fold(name): out for name, out, alias in outputs if alias}
        groups.set_aliases(aliases)
        having = self._having(groups)
        order = groups.ordering(
            self._select.args.get("order"), [o for _, o, _ in outputs]
        )
        limit, offset = self._count("limit"), self._count("offset")
        if not groups.aggregates and not keys:
            self._refuse_rows(items)
        boundary = AggregateQuery(RELEASED, source, tuple(keys), groups.aggregates)
        self._check_depth([having, *(each.expression for each in order)])
        named = tuple(Output(name, out) for name, out, _ in outputs)
        post = PostQuery(named, having, order, limit, offset or 0)
        return Query((boundary,), post)

    def refusal(
        self,
        node: exp.Expr,
        message: str,
        code: str = "DPQ100",
        hint: str | None = None,
    ) -> QueryRefused:
        """Return the error that refuses the query because of *node*."""
        return QueryRefused(message, code=code, place=self._place(node), hint=hint)

    def _place(self, node: exp.Expr) -> Place | None:
        return place_of(node, self._sql)

    def _check_clauses(self) -> None:
        for name, value in self._select.args.items():
            if not value or name in _CLAUSES:
                continue
            message, hint = _REFUSED_CLAUSES.get(
                name, (f"{name.strip('_').upper()} is not supported", None)
            )
            nodes = value if isinstance(value, list) else [value]
            placed = (n for n in nodes if isinstance(n, exp.Expr) and self._place(n))
            raise self.refusal(next(placed, self._select), message, hint=hint)

    def _check_depth(self, expressions: Iterable[Expression | None]) -> None:
        """Refuse what aliases have made deeper than one expression may be."""
        if any(each is not None and depth(each) > MAX_DEPTH for each in expressions):
            msg = "an alias makes this query nested too deeply"
            hint = f"at most {MAX_DEPTH} operations inside each other"
            raise self.refusal(self._select, msg, "DPQ004", hint)

    # --- below the boundary ------------------------------------------------------

    def _from(self) -> tuple[Relation, Scope]:
        """Bind FROM and its joins, left to right; ON sees what stands before it."""
        clause = self._select.args.get("from_")
        if clause is None:
            hint = "say which table is asked about: FROM …"
            raise self.refusal(self._select, "the query reads no table", hint=hint)
        first = self._table(clause.this)
        relation: Relation = first.scan
        tables = [first]
        for join in self._select.args.get("joins") or []:
            right = self._table(join.this)
            if fold(right.name) in {fold(each.name) for each in tables}:
                hint = "give each an alias of its own: JOIN visits AS v2"
                msg = f"two tables in FROM are called {right.name}"
                raise self.refusal(join.this, msg, "DPQ103", hint)
            tables.append(right)
            if len(tables) > MAX_TABLES:
                msg = f"FROM has more than {MAX_TABLES} tables"
                hint = "ask in several queries"
                raise self.refusal(join.this, msg, "DPQ116", hint)
            relation = self._join(relation, right, join, Scope(tuple(tables)))
        return relation, Scope(tuple(tables))

    def _table(self, node: exp.Expr) -> Named:
        """Bind one table of FROM."""
        if isinstance(node, exp.Subquery):
            hint = "write the inner query's joins and filters into the outer one"
            raise self.refusal(
                node, "subqueries in FROM are not supported yet", "DPQ115", hint
            )
        if not isinstance(node, exp.Table) or not isinstance(node.this, exp.Identifier):
            hint = "FROM takes tables of the policy; see `dpquery tables`"
            raise self.refusal(node, "FROM takes the name of a table here", hint=hint)
        if node.args.get("sample"):
            hint = "leave it out; contributions are bounded anyway"
            raise self.refusal(node, "TABLESAMPLE is not supported yet", hint=hint)
        extra = [
            k for k, v in node.args.items() if v and k not in {"this", "alias", "db"}
        ]
        if extra or (node.db and fold(node.db) != "main"):
            hint = "write the table's name alone; see `dpquery tables`"
            msg = f"{node.sql('duckdb')} is not a table of the policy"
            raise self.refusal(node, msg, "DPQ101", hint)
        alias = node.args.get("alias")
        if alias is not None and alias.args.get("columns"):
            raise self.refusal(node, "column aliases in FROM are not supported")
        table = find_table(node.name, self._catalog, self._place(node))
        copies = (f"{table.name}_{number}" for number in count(2))
        name = next(n for n in chain([table.name], copies) if n not in self._names)
        self._names.add(name)
        scan = Scan(table, name, self._place(node))
        return Named(node.alias or table.name, scan)

    def _join(self, left: Relation, right: Named, join: exp.Join, scope: Scope) -> Join:
        """Bind one join."""
        extra = [
            k
            for k, v in join.args.items()
            if v and k not in {"this", "on", "kind", "side", "using"}
        ]
        side, kind = (str(join.args.get(k) or "").upper() for k in ("side", "kind"))
        kinds = {"", "OUTER"} if side else {"", "INNER"}
        if extra or side not in {"", "LEFT"} or kind not in kinds:
            words = " ".join(filter(None, [join.method, side, kind])).upper()
            hint = "use JOIN … ON, or LEFT JOIN to a public table"
            msg = f"{words or 'this'} JOIN is not supported yet"
            raise self.refusal(join, msg, "DPQ116", hint)
        if join.args.get("using"):
            name = join.args["using"][0].name
            hint = f"ON a.{name} = b.{name}"
            raise self.refusal(join, "USING is not supported yet", "DPQ116", hint)
        if join.args.get("on") is None:
            hint = "join with ON along a foreign key of the policy"
            raise self.refusal(join, "a join needs its condition in ON", "DPQ116", hint)
        condition = RowBinder(self._sql, scope).boolean(join.args["on"])
        how = JoinKind.LEFT if side == "LEFT" else JoinKind.INNER
        return Join(left, right.scan, how, condition, self._place(join))

    def _where(self, source: Relation, rows: RowBinder) -> Relation:
        where = self._select.args.get("where")
        return source if where is None else Filter(source, rows.boolean(where.this))

    # --- the boundary ------------------------------------------------------------

    def _items(self) -> list[exp.Expr]:
        items = list(self._select.expressions)
        if not items:
            hint = "for example: SELECT COUNT(*) FROM …"
            raise self.refusal(self._select, "the query selects nothing", hint=hint)
        return items

    def _group_keys(
        self, items: list[exp.Expr], rows: RowBinder, scope: Scope
    ) -> list[GroupKey]:
        """Bind GROUP BY; positions and aliases stand for items of SELECT."""
        group = self._select.args.get("group")
        if group is None:
            return []
        extra = [
            k for k, v in group.args.items() if v and k not in {"expressions", "all"}
        ]
        if extra:
            hint = "ask for each level in a query of its own"
            msg = f"GROUP BY {extra[0].replace('_', ' ').upper()} is not supported yet"
            raise self.refusal(group, msg, hint=hint)
        nodes = group.expressions
        if group.args.get("all"):
            nodes = [i for i in items if i.find(exp.AggFunc) is None]
        keys: list[GroupKey] = []
        for node in nodes:
            if isinstance(node, exp.Rollup | exp.Cube | exp.GroupingSets):
                rows.unknown(node)
            bound = rows.releasable(self._key_node(node, items, scope))
            if all(bound != key.expression for key in keys):
                keys.append(GroupKey(f"k{len(keys)}", bound, self._place(node)))
        return keys

    def _key_node(
        self, node: exp.Expr, items: list[exp.Expr], scope: Scope
    ) -> exp.Expr:
        """Return the expression that one part of GROUP BY means."""
        if isinstance(node, exp.Literal) and not node.is_string:
            position = count_literal(node.name)
            if position is None or not 1 <= position <= len(items):
                msg = f"GROUP BY {node.name[:20]} names no column of SELECT"
                raise self.refusal(node, msg, "DPQ102", f"1 to {len(items)}")
            return self._no_aggregate(node, items[position - 1].unalias())
        if isinstance(node, exp.Column) and not node.table:
            for item in items:
                if not isinstance(item, exp.Alias) or fold(item.alias) != fold(
                    node.name
                ):
                    continue
                inner = item.this
                itself = isinstance(inner, exp.Column) and fold(inner.name) == fold(
                    node.name
                )
                if itself:
                    return node if scope.has(node.name) else inner
                if scope.has(node.name):
                    msg = f"{node.name} is a column and also an alias in SELECT"
                    hint = "give the alias another name"
                    raise self.refusal(node, msg, "DPQ104", hint)
                return self._no_aggregate(node, inner)
        return self._no_aggregate(node, node.unalias())

    def _no_aggregate(self, node: exp.Expr, meant: exp.Expr) -> exp.Expr:
        if meant.find(exp.AggFunc) is not None:
            hint = "group by what rows have in common, and filter groups with HAVING"
            raise self.refusal(
                node, "an aggregate cannot be a group key", "DPQ117", hint
            )
        return meant

    def _refuse_rows(self, items: list[exp.Expr]) -> NoReturn:
        hint = (
            "ask for an aggregate, e.g. SELECT COUNT(*) …, or add GROUP BY; the\n"
            "columns can be looked at with `dpquery tables`"
        )
        raise self.refusal(
            items[0], "this would list rows of individuals", "DPQ122", hint
        )

    # --- above the boundary ------------------------------------------------------

    def _outputs(
        self, items: list[exp.Expr], groups: GroupBinder
    ) -> list[tuple[str, Expression, bool]]:
        """Return (name, expression, whether the name is an alias) of each item."""
        outputs: list[tuple[str, Expression, bool]] = []
        taken: set[str] = set()
        for item in items:
            aliased = isinstance(item, exp.Alias)
            name = base = self._output_name(item)
            number = 0
            while name in taken:
                number += 1
                name = f"{base}_{number}"
            taken.add(name)
            outputs.append((name, groups.releasable(item.unalias()), aliased))
        return outputs

    def _output_name(self, item: exp.Expr) -> str:
        """Return the column's name; it goes to browsers and spreadsheets as it is."""
        if isinstance(item, exp.Alias):
            if not re.fullmatch(r"\w[\w .%()/+-]{0,63}", item.alias):
                hint = "letters, digits, _ and spaces, at most 64"
                raise self.refusal(
                    item, "this alias cannot name a column", "DPQ128", hint
                )
            return item.alias
        if isinstance(item, exp.Column):
            return item.name
        text = item.sql("duckdb", comments=False)
        safe = re.sub(r"[^\w .%()*/+,=-]", "_", text)[:64]
        return safe.strip(" =+-@") or "column"

    def _having(self, groups: GroupBinder) -> Expression | None:
        having = self._select.args.get("having")
        return None if having is None else groups.boolean(having.this)

    def _count(self, clause: str) -> int | None:
        """Return the constant of LIMIT or OFFSET."""
        node = self._select.args.get(clause)
        if node is None:
            return None
        extra = [
            k for k, v in node.args.items() if v and k not in {"expression", "this"}
        ]
        value = node.expression
        plain = isinstance(value, exp.Literal) and not value.is_string and not extra
        count = count_literal(value.name) if plain else None
        if count is None:
            hint = f"a whole number, e.g. {clause.upper()} 10"
            msg = f"{clause.upper()} takes a constant"
            raise self.refusal(node, msg, "DPQ129", hint)
        return count
