"""Which group keys are public, so that every group can be shown, empty ones too.

A key is public when its possible values follow from the policy, from public tables
or from the query's own text (theory.md 2.5). Rows with other values are left out;
NULL is a key only where the policy lists it or the query makes it.
"""

from __future__ import annotations

import datetime as dt
import operator
from dataclasses import replace
from itertools import product
from math import prod
from typing import TYPE_CHECKING

from dpquery.plan.analysis.bounds import Bounds, Environment, bounds
from dpquery.plan.analysis.privacy_unit import column_of
from dpquery.plan.expressions import (
    Call,
    Case,
    ColumnRef,
    Constant,
    Expression,
    Literal,
)
from dpquery.plan.program import GroupKey, KeyDomain, KeySource, ListedKeys, TableKeys
from dpquery.plan.relations import Scan
from dpquery.plan.walk import columns, optional_scans, scans
from dpquery.policy.catalog import SqlType

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dpquery.plan.relations import Relation
    from dpquery.policy.catalog import Catalog

RANGE_LIMIT = 400
"""Bounded whole numbers and dates are listed up to this many keys; a longer range
is likely sparse, and better found by withholding small groups."""
DOMAIN_LIMIT = 100_000
"""Listed key tuples of one release."""


def key_domain(
    keys: Sequence[GroupKey], relation: Relation, env: Environment, catalog: Catalog
) -> KeyDomain | None:
    """Return the public list of groups, or ``None`` when some key is not public."""
    tables = {scan.name: scan for scan in scans(relation)}
    optional = optional_scans(relation)
    sources: list[KeySource] = []
    for index, key in enumerate(keys):
        source = _source(index, key.expression, tables, env, catalog)
        if isinstance(source, TableKeys) and source.scan.name in optional:
            source = replace(source, optional=True)
        if source is None:
            return None
        _add(sources, source)
    listed = prod(len(s.rows) for s in sources if isinstance(s, ListedKeys))
    return KeyDomain(tuple(sources)) if listed <= DOMAIN_LIMIT else None


def listed_groups(domain: KeyDomain) -> int | None:
    """Return how many groups a domain lists; ``None`` when a table decides."""
    if any(isinstance(source, TableKeys) for source in domain.sources):
        return None
    return prod(len(s.rows) for s in domain.sources if isinstance(s, ListedKeys))


def _add(sources: list[KeySource], source: KeySource) -> None:
    """Add a source; keys of one public scan are listed together, as it has them."""
    for at, other in enumerate(sources):
        match source, other:
            case TableKeys(scan=scan), TableKeys(scan=same) if scan == same:
                sources[at] = TableKeys(
                    other.keys + source.keys,
                    scan,
                    other.expressions + source.expressions,
                    other.optional,
                )
                return
    sources.append(source)


def _source(
    index: int,
    expression: Expression,
    tables: dict[str, Scan],
    env: Environment,
    catalog: Catalog,
) -> KeySource | None:
    """Return where the values of one key are listed."""
    read = {column.relation for column in columns(expression)}
    if len(read) == 1 and tables[next(iter(read))].table.public:
        scan = replace(tables[next(iter(read))], place=None)
        return TableKeys((index,), scan, (expression,))
    if isinstance(expression, ColumnRef):
        declared = tables[expression.relation].table.columns.get(expression.name)
        if declared is not None and declared.values_from is not None:
            table, name = declared.values_from
            scan = Scan(catalog.tables[table], f"{table}:keys{index}")
            return TableKeys((index,), scan, (column_of(scan, name),))
    lists: Lists = {
        (scan.name, column.name): column.values
        for scan in tables.values()
        for column in scan.table.columns.values()
        if column.values is not None
    }
    values = possible_values(expression, lists, env)
    if values is None:
        return None
    return ListedKeys((index,), tuple((value,) for value in values))


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
