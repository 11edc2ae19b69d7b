"""What stands where in a SELECT, before anything is bound."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sqlglot import exp

from dpquery.policy.catalog import fold
from dpquery.sql.literals import count_literal
from dpquery.sql.queries.trees import text_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dpquery.sql.queries.bound import Block

AGGREGATES = frozenset(
    {
        *("count_star", "quantile", "product", "favg", "fsum", "sumkahan", "mad"),
        *("kahan_sum", "geomean", "geometric_mean", "entropy", "kurtosis", "sem"),
        *("kurtosis_pop", "skewness", "histogram", "histogram_exact", "list"),
        *("bitstring_agg", "bit_xor", "bool_xor", "mode", "arbitrary", "first"),
        *("last", "max_by", "min_by", "arg_max", "arg_min", "approx_top_k"),
        *("reservoir_quantile", "approx_median", "weighted_avg", "stddev_pop"),
        *("string_agg", "group_concat", "listagg", "regr_count", "regr_r2"),
        *("regr_avgx", "regr_avgy", "regr_sxx", "regr_syy", "regr_sxy", "wavg"),
    }
)
"""Aggregates of engines that the parser has no class for."""

CLAUSES = {
    *("expressions", "from_", "joins", "where", "group", "having", "order", "limit"),
    *("offset", "with_", "distinct", "qualify", "windows", "laterals", "sample"),
    "kind",
}
_REFUSED = {
    "into": ("SELECT INTO would write a table", "leave INTO out"),
    "locks": ("FOR UPDATE has no meaning here: nothing can be written", "leave it out"),
    "match": ("MATCH_RECOGNIZE is not supported", "use window functions"),
    "connect": ("CONNECT BY is not supported", "write the levels out as joins"),
}


def check_clauses(select: exp.Select, block: Block) -> None:
    """Refuse clauses that no rule is for."""
    for name, value in select.args.items():
        if not value or name in CLAUSES:
            continue
        message, hint = _REFUSED.get(
            name, (f"{name.strip('_').upper()} is not supported", None)
        )
        nodes = value if isinstance(value, list) else [value]
        placed = (n for n in nodes if isinstance(n, exp.Expr) and block.place(n))
        raise block.refusal(next(placed, select), message, hint=hint)


def items(select: exp.Select, block: Block) -> list[exp.Expr]:
    """Return what stands behind SELECT."""
    found = list(select.expressions)
    if not found:
        hint = "for example: SELECT COUNT(*) FROM …"
        raise block.refusal(select, "the query selects nothing", hint=hint)
    return found


def outside_subqueries(node: exp.Expr) -> Iterator[exp.Expr]:
    """Yield *node* and what is in it, without the insides of subqueries."""
    yield node
    if not isinstance(node, exp.Query):
        for child in node.iter_expressions():
            yield from outside_subqueries(child)


def is_aggregate(node: exp.Expr) -> bool:
    """Return whether *node* itself is an aggregate function."""
    if isinstance(node, exp.Anonymous):
        return fold(str(node.this)) in AGGREGATES
    return isinstance(node, exp.AggFunc) and not isinstance(node, exp.RowNumber)


def has_options(node: exp.Expr) -> bool:
    """Return whether an aggregate is given more than its values: ``MAX(x, 3)``."""
    known = {"this", "expression", "expressions", "big_int"}
    return any(value for key, value in node.args.items() if key not in known)


def aggregated(node: exp.Expr) -> bool:
    """Return whether *node* has an aggregate that is no window function."""
    if isinstance(node, exp.Query):
        return False
    if isinstance(node, exp.Window):
        rest = [n for key, n in _parts(node) if key != "this"]
        return any(aggregated(part) for part in (*_inside(node.this), *rest))
    if is_aggregate(node) or isinstance(node, exp.Grouping | exp.GroupingId):
        return True
    return any(aggregated(child) for child in node.iter_expressions())


def _inside(function: object) -> Iterator[exp.Expr]:
    """Yield the parts of a window's function, which may have FILTER around it."""
    if isinstance(function, exp.Filter | exp.IgnoreNulls | exp.RespectNulls):
        yield from (part for key, part in _parts(function) if key != "this")
        yield from _inside(function.this)
    elif isinstance(function, exp.Expr):
        yield from function.iter_expressions()


def aggregates_in(node: exp.Expr) -> Iterator[exp.Expr]:
    """Yield the aggregate functions and window functions of *node*, not their parts."""
    if is_aggregate(node) or isinstance(
        node, exp.Window | exp.Filter | exp.WithinGroup
    ):
        yield node
    elif not isinstance(node, exp.Query):
        for child in node.iter_expressions():
            yield from aggregates_in(child)


def _parts(node: exp.Expr) -> Iterator[tuple[str, exp.Expr]]:
    for key, value in node.args.items():
        for each in value if isinstance(value, list) else [value]:
            if isinstance(each, exp.Expr):
                yield key, each


def is_aggregation(select: exp.Select) -> bool:
    """Return whether *select* makes groups, or one group of all rows."""
    if select.args.get("group") or select.args.get("having"):
        return True
    clauses = (select.args.get(key) for key in ("qualify", "order"))
    nodes = [*select.expressions, *(clause for clause in clauses if clause)]
    return any(aggregated(node) for node in nodes)


def has_subquery(node: exp.Expr) -> bool:
    """Return whether a query stands inside *node*."""
    return node.find(exp.Query) is not None


def count_of(select: exp.Expr, clause: str, block: Block) -> int | None:
    """Return the constant of LIMIT, FETCH or OFFSET."""
    node = select.args.get(clause)
    if node is None:
        return None
    value = node.args.get("count") if isinstance(node, exp.Fetch) else node.expression
    options = node.args.get("limit_options")
    modified = options is not None and (
        options.args.get("percent") or options.args.get("with_ties")
    )
    plain = isinstance(value, exp.Literal) and not value.is_string and not modified
    count = count_literal(value.name) if plain and value is not None else None
    if count is None:
        hint = f"a whole number, e.g. {clause.upper()} 10"
        msg = f"{clause.upper()} takes a constant"
        raise block.refusal(node, msg, "DPQ129", hint)
    return count


def output_name(item: exp.Expr, block: Block) -> str:
    """Return the column's name; it goes to browsers and spreadsheets as it is."""
    if isinstance(item, exp.Alias):
        if not re.fullmatch(r"\w[\w .%()/+-]{0,63}", item.alias):
            hint = "letters, digits, _ and spaces, at most 64"
            msg = "this alias cannot name a column"
            raise block.refusal(item, msg, "DPQ128", hint)
        return item.alias
    if isinstance(item, exp.Column | exp.Dot):
        return item.name
    text = text_of(item) or ""
    safe = re.sub(r"[^\w .%()*/+,=-]", "_", text)[:64]
    return safe.strip(" =+-@") or "column"


def unique_names(names: list[str]) -> list[str]:
    """Return *names* with a number behind each that is there already."""
    taken: set[str] = set()
    found = []
    for base in names:
        name, number = base, 0
        while name in taken:
            number += 1
            name = f"{base}_{number}"
        taken.add(name)
        found.append(name)
    return found
