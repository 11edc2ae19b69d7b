"""Which group keys are public, so that every group can be shown, empty ones too.

A key is public when its possible values follow from the policy, from public tables
or from the query's own text (theory.md 2.5). Rows with other values are left out;
NULL is a key only where the policy lists it or the query makes it.
"""

from __future__ import annotations

import datetime as dt
import operator
from calendar import monthrange
from itertools import product
from math import prod
from typing import TYPE_CHECKING

from dpquery.plan.analysis.bounds import (
    Bounds,
    Environment,
    bounds,
    deep_environment,
    never_null,
)
from dpquery.plan.analysis.key_filters import about, filtered, possible, values_in
from dpquery.plan.analysis.public_keys import as_public, public_keys, reads_public
from dpquery.plan.analysis.sources import Sources, sources
from dpquery.plan.expressions import (
    Call,
    Case,
    ColumnRef,
    Constant,
    Expression,
    Literal,
)
from dpquery.plan.program import (
    GroupKey,
    KeyDomain,
    KeySource,
    ListedKeys,
    PublicKeys,
)
from dpquery.plan.relations import Listed, Scan, SetOperation
from dpquery.plan.walk import column_of, columns, made_column
from dpquery.policy.catalog import SqlType

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dpquery.plan.relations import Project, Relation
    from dpquery.policy.catalog import Catalog

RANGE_LIMIT = 400
"""Bounded whole numbers and dates are listed up to this many keys; a longer range
is likely sparse, and better found by withholding small groups."""
DOMAIN_LIMIT = 100_000
"""Listed key tuples of one release."""


def key_domain(
    keys: Sequence[GroupKey], relation: Relation, catalog: Catalog
) -> KeyDomain | None:
    """Return the public list of groups, or ``None`` when some key is not public."""
    known = sources(relation)
    made = [as_public(known.expanded(key.expression), known) for key in keys]
    public = [at for at, each in enumerate(made) if reads_public(each, known)]
    found: list[KeySource] = list(public_keys({at: made[at] for at in public}, known))
    lists, env = listed_values(known), deep_environment(relation)
    for at, expression in enumerate(made):
        if at in public:
            continue
        source = _source(at, expression, known, lists, env, catalog)
        if source is None:
            return None
        found.append(source)
    listed = prod(len(s.rows) for s in found if isinstance(s, ListedKeys))
    in_order = sorted(found, key=lambda source: source.keys)
    return KeyDomain(tuple(in_order)) if listed <= DOMAIN_LIMIT else None


def listed_groups(domain: KeyDomain) -> int | None:
    """Return how many groups a domain lists at most; ``None`` when a table decides."""
    found = 1
    for source in domain.sources:
        match source:
            case ListedKeys(rows=rows) | PublicKeys(relation=Listed(rows=rows)):
                found *= len(rows)
            case _:
                return None
    return found


def _source(
    index: int,
    expression: Expression,
    known: Sources,
    lists: Lists,
    env: Environment,
    catalog: Catalog,
) -> KeySource | None:
    """Return where the values of one key of private rows are listed."""
    leaf = (
        known.leaves.get(expression.relation)
        if isinstance(expression, ColumnRef)
        else None
    )
    if isinstance(expression, ColumnRef) and isinstance(leaf, Scan):
        declared = leaf.table.columns.get(expression.name)
        if declared is not None and declared.values_from is not None:
            table, name = declared.values_from
            scan = Scan(catalog.tables[table], f"{table}:keys{index}")
            listed = column_of(scan, name)
            conditions = about(expression, known.conditions, listed)
            return PublicKeys((index,), filtered(scan, conditions), (listed,))
    values = possible_values(expression, lists, env)
    if values is None:
        values = values_in(expression, known.conditions)
    if not values:  # equal to NULL is nothing, and a list of nothing is no list
        return None
    optional = {column.relation for column in columns(expression)} & known.optional
    if optional and not never_null(expression) and None not in values:
        values = [*values, None]  # where there is no partner
    left = [v for v in values if possible(v, expression, known.conditions)]
    return ListedKeys((index,), tuple((value,) for value in left or values))


def listed_values(known: Sources) -> Lists:
    """Return the columns of leaves whose possible values are public."""
    lists: Lists = {}
    for name, leaf in known.leaves.items():
        match leaf:
            case Scan(table=table):
                for column in table.columns.values():
                    if column.values is not None:
                        lists[name, column.name] = column.values
            case SetOperation(columns=made, left=left, right=right):
                for at, each in enumerate(made):
                    sides = [_of_side(side, at) for side in (left, right)]
                    values = _union(sides)
                    if values is not None:
                        lists[name, each.name] = tuple(values)
            case _:
                pass
    return lists


def _of_side(side: Project, at: int) -> list[Constant] | None:
    known = sources(side)
    value = known.expanded(made_column(side.name, side.columns[at]))
    return possible_values(value, listed_values(known), deep_environment(side))


Lists = dict[tuple[str, str], tuple[Constant, ...]]


def possible_values(
    expression: Expression, lists: Lists, env: Environment
) -> list[Constant] | None:
    """Return all values that *expression* can have, or ``None`` if not public."""
    match expression:
        case Literal(value=value):
            return [value]
        case ColumnRef(relation=relation, name=name) if (relation, name) in lists:
            return list(lists[relation, name])
        case Case(branches=branches, otherwise=otherwise):
            parts = [then for _, then in branches] + [otherwise]
            return _union([possible_values(each, lists, env) for each in parts])
        case Call(function="coalesce", arguments=(*maybe, last)):
            found = _union([possible_values(each, lists, env) for each in maybe])
            rest = possible_values(last, lists, env)
            if found is None or rest is None:
                return None
            return _union([[value for value in found if value is not None], rest])
        case _ if expression.type is SqlType.BOOLEAN:
            return [False, True]
        case Call(
            function="date_trunc", arguments=(Literal(value=str() as unit), inner)
        ):
            return _dates(unit, bounds(inner, env), expression.type)
        case Call(function="last_day", arguments=(inner,)):
            months = _dates("month", bounds(inner, env), SqlType.DATE)
            return None if months is None else [_last_day(each) for each in months]
        case _ if expression.type is SqlType.DATE:
            return _dates("day", bounds(expression, env), expression.type)
        case Call(function=function, arguments=arguments) if (
            function in _ARITHMETIC and expression.type is SqlType.INTEGER
        ):
            sides = [possible_values(each, lists, env) for each in arguments]
            computed = _computed(function, sides)
            if computed is not None or function == "multiply":
                return computed  # a range of products would be mostly gaps
            return _range(bounds(expression, env))
        case _ if expression.type is SqlType.INTEGER:
            return _range(bounds(expression, env))
        case _:
            return None


def _union(lists: list[list[Constant] | None]) -> list[Constant] | None:
    """Return the values of all lists, each once, in order."""
    if any(each is None for each in lists):
        return None
    merged = [value for each in lists if each is not None for value in each]
    return list(dict.fromkeys(merged))


def _truncated(a: int, b: int) -> int | None:
    """Return a // b as SQL has it: toward zero, NULL for a divisor of zero."""
    return None if b == 0 else (abs(a) // abs(b)) * (1 if (a < 0) == (b < 0) else -1)


def _remainder(a: int, b: int) -> int | None:
    """Return a % b as SQL has it: with the sign of the dividend."""
    return None if b == 0 else (abs(a) % abs(b)) * (1 if a >= 0 else -1)


_ARITHMETIC: dict[str, Callable[[int, int], int | None]] = {
    "add": operator.add,
    "subtract": operator.sub,
    "multiply": operator.mul,
    "int_divide": _truncated,
    "modulo": _remainder,
}
"""Whole-number arithmetic, to list the results of listed values one by one."""


def _computed(
    function: str, sides: list[list[Constant] | None]
) -> list[Constant] | None:
    """Return the results of *function* for all pairs of whole numbers, each once."""
    left, right = sides
    if left is None or right is None or len(left) * len(right) > DOMAIN_LIMIT:
        return None
    found: set[Constant] = set()
    for a, b in product(left, right):
        if isinstance(a, int) and isinstance(b, int):
            found.add(_ARITHMETIC[function](a, b))
    found.discard(None)
    return sorted(found, key=_whole) if 0 < len(found) <= RANGE_LIMIT else None


def _whole(value: Constant) -> int:
    return value if isinstance(value, int) else 0


def _range(of: Bounds) -> list[Constant] | None:
    """Return the whole numbers in an interval that is short enough."""
    if of.low is None or of.high is None or of.high - of.low >= RANGE_LIMIT:
        return None
    return list(range(-int(-of.low // 1), int(of.high // 1) + 1)) or None


_STEPS = {"day": 1, "week": 7, "month": 28, "quarter": 89, "year": 365}
"""Units of date_trunc that are listed, with the fewest days between two steps."""


_STRIDES = {"day": 1, "week": 7, "month": 31, "quarter": 92, "year": 366}
"""Days that lead from one start into the next step, and never beyond it."""


def _dates(unit: str, of: Bounds, type_: SqlType) -> list[Constant] | None:
    """Return the starts of all days, weeks, … that an interval touches."""
    if unit not in _STEPS or of.low is None or of.high is None:
        return None
    days = of.high - of.low
    if days >= RANGE_LIMIT * _STEPS[unit] or of.low < 1:
        return None
    last = dt.date.fromordinal(min(int(of.high // 1), dt.date.max.toordinal()))
    found: list[Constant] = []
    each = truncated(unit, dt.date.fromordinal(int(of.low // 1)))
    stride = dt.timedelta(days=_STRIDES[unit])
    while each <= last:
        at_midnight = dt.datetime.combine(each, dt.time())
        found.append(at_midnight if type_ is SqlType.TIMESTAMP else each)
        if each > dt.date.max - stride:
            break
        each = truncated(unit, each + stride)
    return found if 0 < len(found) <= RANGE_LIMIT else None


def _last_day(month: Constant) -> Constant:
    """Return the last day of the month that starts then."""
    if not isinstance(month, dt.date):
        return month
    return month.replace(day=monthrange(month.year, month.month)[1])


def truncated(unit: str, day: dt.date) -> dt.date:
    """
    Return the first day of the day's week, month, … as DuckDB's date_trunc does.

    >>> truncated("quarter", dt.date(2024, 8, 30))
    datetime.date(2024, 7, 1)
    """
    match unit:
        case "week":
            return day - dt.timedelta(days=day.weekday())
        case "month":
            return day.replace(day=1)
        case "quarter":
            return day.replace(month=(day.month - 1) // 3 * 3 + 1, day=1)
        case "year":
            return day.replace(month=1, day=1)
        case _:
            return day
