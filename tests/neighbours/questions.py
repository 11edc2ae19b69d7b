"""Random questions: everything that is answered, over the tables of ``clinic``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from . import inside, joins, subqueries, tables
from .columns import NUMBERS, TIMES, Column, Table, Type, of_type
from .values import any_value, condition, key, number
from .writer import Writer

if TYPE_CHECKING:
    from collections.abc import Callable

    from .choices import Choices
    from .joins import From

Refs = list[tuple[str, Column]]


@dataclass(frozen=True)
class Question:
    """One text, and what it is made of."""

    sql: str
    features: frozenset[str]


def write_question(choices: Choices) -> Question:
    """Write one question."""
    w = Writer(choices)
    makers: list[Callable[[Writer], str]] = [
        *(_aggregated,) * 11,
        *(_different_keys, _empty_groups, _matched, _counted_values, _two_answers),
    ]
    text = w.one_of(makers)(w)
    before = f"WITH {', '.join(w.queries)} " if w.queries else ""
    return Question(before + text, frozenset(w.features))


# --- the usual form --------------------------------------------------------------


def _aggregated(w: Writer) -> str:
    source = joins.joined(w, kind=w.one_of(["person"] * 11 + ["sensors"]))
    refs = source.refs()
    options = _options(w)
    keys = [key(w, refs) for _ in range(w.one_of([0, 1, 1, 1, 2, 2]))]
    asked = [aggregate(w, source) for _ in range(w.one_of([1, 1, 1, 2, 3]))]
    if options and w.one_of([True, False]):
        asked[0] = _bounded(w, refs)
    items = [f"{each} AS k{at}" for at, each in enumerate(keys)]
    items += [f"{each} AS a{at}" for at, each in enumerate(asked)]
    by = _by(w, keys)
    if not by and source.ties() and w.rarely():
        w.made("subquery in a key")
        test = subqueries.condition_on(w, source)
        by = f" GROUP BY CASE WHEN {test} THEN 1 ELSE 0 END"
    sample = ""
    if w.rarely() and w.rarely() and source.kind == "person":
        w.made("USING SAMPLE")
        sample = " USING SAMPLE 50 PERCENT (bernoulli, 3)"
    rest = f"{source.filtered(_where(w, source))}{by}{_above(w, keys)}{sample}"
    return f"SELECT {options}{', '.join(items)} {rest}"


def _where(w: Writer, source: From) -> str:
    match w.one_of(range(6)):
        case 0 | 1:
            return condition(w, source.refs(), 2)
        case 2 | 3:
            return subqueries.condition_on(w, source)
        case _:
            return ""


def _by(w: Writer, keys: list[str]) -> str:
    if not keys:
        return ""
    listed = ", ".join(f"k{at}" for at in range(len(keys)))
    kind = w.one_of(["plain"] * 9 + ["ALL", "ROLLUP", "CUBE", "GROUPING SETS"])
    w.made(f"GROUP BY {kind}")
    match kind:
        case "plain":
            return f" GROUP BY {listed}"
        case "ALL":
            return " GROUP BY ALL"
        case "GROUPING SETS":
            return f" GROUP BY GROUPING SETS (({listed}), (), (k{len(keys) - 1}))"
        case _:
            return f" GROUP BY {kind} ({listed})"


def _above(w: Writer, keys: list[str]) -> str:
    """Write what is computed from the answer."""
    if not keys:
        return ""
    having = w.one_of(["", "", "", " HAVING COUNT(*) > 1"])
    return having + w.one_of(["", "", "", " ORDER BY a0 DESC, k0 LIMIT 3"])


def _options(w: Writer) -> str:
    if not w.rarely():
        return ""
    w.made("OPTIONS")
    groups = w.one_of([1, 2])
    return f"WITH DIFFERENTIAL_PRIVACY OPTIONS(max_groups_contributed = {groups}) "


def _bounded(w: Writer, refs: Refs) -> str:
    """Write an aggregate with bounds of its own."""
    w.made("contribution bounds")
    loose = w.one_of(of_type(refs, *NUMBERS) or ["1"])
    shapes = (
        f"SUM({loose}, contribution_bounds_per_group => (-3, 7))",
        f"SUM({loose}, contribution_bounds_per_row => (0, 2))",
        f"AVG({loose}, contribution_bounds_per_row => (-1, 2))",
        "COUNT(*, contribution_bounds_per_group => (0, 2))",
        f"COUNT({loose}, contribution_bounds_per_group => (0, 1))",
    )
    return w.one_of(shapes)


# --- aggregates ------------------------------------------------------------------

_SHAPES = (
    *("COUNT(*)", "COUNT(*)", "COUNT({v})", "COUNT_IF({p})", "SUM({x})", "SUM({x})"),
    *("AVG({x})", "AVG({x})", "SUM({p})", "COUNT(DISTINCT {v})", "COUNT(DISTINCT {u})"),
    *("APPROX_COUNT_DISTINCT({v})", "COUNT(DISTINCT ({v}, {x}))", "SUM(DISTINCT {x})"),
    *("AVG(DISTINCT {x})", "VAR_SAMP({x})", "VAR_POP({x})", "STDDEV({x})"),
    *("STDDEV_POP({x})", "COVAR_POP({x}, {y})", "COVAR_SAMP({x}, {y})"),
    *("CORR({x}, {y})", "REGR_SLOPE({x}, {y})", "REGR_INTERCEPT({x}, {y})"),
    *("REGR_COUNT({x}, {y})", "REGR_AVGX({x}, {y})", "REGR_R2({x}, {y})"),
    *("MIN({x})", "MAX({x})", "MAX({t})", "MEDIAN({x})", "QUANTILE_CONT({x}, 0.9)"),
    *("QUANTILE_DISC({x}, 0.25)", "QUANTILE_CONT({x}, [0.1, 0.5])"),
    *("BOOL_OR({p})", "BOOL_AND({p})"),
)
_FILTERED = (
    "COUNT(*) FILTER (WHERE {p})",
    "SUM({x}) FILTER (WHERE {p})",
    "AVG({x}) FILTER (WHERE {p})",
    "COUNT(DISTINCT {u}) FILTER (WHERE {p})",
    "MAX({x}) FILTER (WHERE {p})",
)


def aggregate(w: Writer, source: From) -> str:
    """Write what is released."""
    refs = source.refs()
    match w.one_of(range(8)):
        case 0:
            return _apart(w, refs)
        case 1:
            shape = w.one_of(_FILTERED)
            w.made("FILTER")
        case 2 if source.ties():
            return _with_subquery(w, source)
        case _:
            shape = w.one_of(_SHAPES)
    units = [name for name, each in refs if each.tie == "person"]
    w.made(shape.partition("(")[0] + (" DISTINCT" if "(DISTINCT" in shape else ""))
    if "{u}" in shape and units:
        w.made("COUNT DISTINCT unit")
    return shape.format(
        x=number(w, refs),
        y=number(w, refs),
        v=any_value(w, refs),
        p=condition(w, refs),
        u=w.one_of(units) if units else any_value(w, refs),
        t=w.one_of(of_type(refs, *TIMES, bounded=True) or ["DATE '2020-02-29'"]),
    )


def _with_subquery(w: Writer, source: From) -> str:
    w.made("subquery in an aggregate")
    scalar = f"LEAST(GREATEST({subqueries.scalar(w, source)}, -4), 6)"
    tested = subqueries.condition_on(w, source)
    return w.one_of(
        [
            f"SUM({scalar})",
            f"AVG({scalar})",
            f"COUNT(*) FILTER (WHERE {tested})",
            f"COUNT(DISTINCT CASE WHEN {tested} THEN 1 ELSE 2 END)",
            f"SUM(CASE WHEN {tested} THEN 1 ELSE 0 END)",
        ]
    )


def _apart(w: Writer, refs: Refs) -> str:
    """Write two counts of rows of different kinds, or so it seems."""
    w.made("FILTER, disjoint")
    options = of_type(refs, *NUMBERS)
    texts = of_type(refs, Type.TEXT)
    count = "COUNT(*) FILTER (WHERE {})"
    if texts and w.one_of([True, False]):
        name = w.one_of(texts)
        pairs = [("= 'a'", "= 'b'"), ("IN ('a', '')", "= 'b'"), ("= 'a'", "<> 'a'")]
    elif options:
        name = w.one_of(options)
        pairs = [
            ("< 1", ">= 1"),
            ("<= 5 AND {0} < 10", ">= 5"),
            ("<= 2.50000000000000001", ">= 2.50000000000000002"),
            ("> 0", "= 0"),
            ("BETWEEN 0 AND 1", "BETWEEN 1 AND 5"),
        ]
    else:
        return "COUNT(*)"
    one, other = w.one_of(pairs)
    parts = (f"{name} {each}".format(name) for each in (one, other))
    return ", ".join(count.format(part) for part in parts)


# --- other forms -----------------------------------------------------------------


def _different_keys(w: Writer) -> str:
    w.made("SELECT DISTINCT keys")
    source = joins.joined(w, most=1)
    keys = ", ".join(key(w, source.refs()) for _ in range(w.one_of([1, 2])))
    return f"SELECT DISTINCT {keys} {source.filtered(_where(w, source))}"


def _empty_groups(w: Writer) -> str:
    """Write ``public LEFT JOIN private``: groups that are empty are shown."""
    w.made("public LEFT JOIN private")
    right = tables.base(w, w.one_of(["people", "visits"]))
    left = tables.base(w, "regions" if right.text == "people" else "codes")
    on = {
        "people": f"{left.alias}.name = {right.alias}.region",
        "visits": f"{left.alias}.code = {right.alias}.code",
    }[right.text]
    more = w.one_of(["", f" AND {condition(w, right.refs(), 0)}"])
    keys = w.one_of([name for name, _ in left.refs() if not name.endswith("factor")])
    inner = w.one_of([name for name, _ in right.refs()])
    measure = w.one_of([f"COUNT({inner})", f"SUM({number(w, right.refs(), 0)})"])
    where = w.one_of(["", f" WHERE {condition(w, left.refs(), 0)}"])
    joined = f"{left} LEFT JOIN {right} ON {on}{more}{where}"
    return f"SELECT {keys}, {measure} FROM {joined} GROUP BY 1"


def _matched(w: Writer) -> str:
    """Write how many public rows have a private partner."""
    w.made("public rows with a partner")
    inner = tables.base(w, w.one_of(["people", "visits"]))
    outer = tables.base(w, "regions" if inner.text == "people" else "codes")
    mine, theirs = ("name", "region") if inner.text == "people" else ("code", "code")
    where = condition(w, inner.refs(), 0)
    tie = f"{inner.alias}.{theirs} = {outer.alias}.{mine}"
    partners = f"SELECT {inner.alias}.{theirs} FROM {inner} WHERE {where}"
    test = w.one_of(
        [
            f"EXISTS (SELECT 1 FROM {inner} WHERE {tie} AND {where})",
            f"{outer.alias}.{mine} IN ({partners})",
        ]
    )
    return f"SELECT COUNT(*) FROM {outer} WHERE {test}"


def _counted_values(w: Writer) -> str:
    w.made("COUNT of DISTINCT rows")
    source = joins.joined(w, most=1)
    values = ", ".join(any_value(w, source.refs()) for _ in range(w.one_of([1, 2])))
    rest = source.filtered(_where(w, source))
    shown = "COUNT(*) AS n" if w.one_of([True, False]) else "COUNT(*) + 1 AS n"
    return f"SELECT {shown} FROM (SELECT DISTINCT {values} {rest})"


def _two_answers(w: Writer) -> str:
    """Write SQL over two answers."""
    w.made("SQL over answers")
    one = tables.base(w, w.one_of(["visits", "people"]))
    other = tables.base(w, w.one_of(["sensors", "exams"]))
    names = {"visits": "ward", "people": "sex", "exams": "kind", "sensors": "room"}
    parts = []
    for each in (one, other):
        value = number(w, each.refs(), 0)
        parts.append(
            f"SELECT {each.alias}.{names[each.text]} AS k, SUM({value}) AS m "
            f"FROM {each} GROUP BY 1"
        )
    both = f"({parts[0]}) AS x JOIN ({parts[1]}) AS y USING (k)"
    return w.one_of(
        [
            f"{parts[0]} UNION ALL {parts[1]}",
            f"SELECT x.k, x.m / y.m AS r FROM {both}",
            f"SELECT MAX(m) AS m FROM ({parts[0]}) AS x",
        ]
    )


__all__ = ["Question", "Table", "inside", "write_question"]
