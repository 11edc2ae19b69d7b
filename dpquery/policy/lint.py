"""Advice on a policy that is valid: one function a rule, its docstring the reason."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING

from dpquery.policy.advice import Advice, Finding, Rule, Severity
from dpquery.policy.catalog import SqlType, fold
from dpquery.policy.engine_types import DECIMAL
from dpquery.policy.lint_epochs import EPOCH_RULES
from dpquery.policy.lint_use import USE_RULES
from dpquery.policy.ownership import find, path, references
from dpquery.policy.values import is_number

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dpquery.policy.catalog import Catalog, CatalogColumn, CatalogTable
    from dpquery.policy.load import LoadedPolicy
    from dpquery.policy.model import Column, Policy, Table

_WEAK_EPSILON = 20
_LARGE_DELTA = Decimal("1e-5")
_FEW_QUERIES = 1000
_INTEGER_BITS = {
    "TINYINT": (-(2**7), 2**7 - 1),
    "SMALLINT": (-(2**15), 2**15 - 1),
    "INTEGER": (-(2**31), 2**31 - 1),
    "BIGINT": (-(2**63), 2**63 - 1),
    "UTINYINT": (0, 2**8 - 1),
    "USMALLINT": (0, 2**16 - 1),
    "UINTEGER": (0, 2**32 - 1),
}
_IGNORE = re.compile(r"#\s*dpq:\s*ignore\[([\w\s,]+)\][^\S\n]*\S", re.ASCII)
_NUMBERS = {SqlType.INTEGER, SqlType.DECIMAL, SqlType.DOUBLE}


def lint(loaded: LoadedPolicy, catalog: Catalog | None = None) -> list[Finding]:
    """
    Return advice on the policy, in the order of the file.

    Rules about the types of columns need the *catalog*, and say nothing without it.
    What a comment ``# dpq: ignore[P110] REASON`` names is left out, there or in the
    line above; a reason is needed.
    """
    found = [
        Finding(code, severity, said.message, loaded.place(said.at), said.hint)
        for code, (severity, rule) in RULES.items()
        for said in rule(loaded.policy, catalog)
    ]
    lines = loaded.document.text.split("\n")
    heard = [each for each in found if not _is_ignored(each, lines)]
    return sorted(heard, key=lambda each: (each.place.line, each.place.column))


def _is_ignored(finding: Finding, lines: list[str]) -> bool:
    """Tell whether its line, or a comment above it, says why it is to be ignored."""
    here = finding.place.line - 1
    above = lines[here - 1] if here and lines[here - 1].lstrip().startswith("#") else ""
    return any(
        finding.code in re.split(r"[\s,]+", match[1])
        for match in _IGNORE.finditer(f"{lines[here]}\n{above}")
    )


def _weak_promise(policy: Policy, _: Catalog | None) -> Iterator[Advice]:
    """An epsilon above 20 lets odds about one person change by a factor of e^20."""
    if policy.budget.epsilon > _WEAK_EPSILON:
        message = f"epsilon {policy.budget.epsilon} promises next to nothing"
        yield Advice(("budget", "epsilon"), message, "common budgets are 1 to 10")


def _large_delta(policy: Policy, _: Catalog | None) -> Iterator[Advice]:
    """Delta must be far below one in the number of people, or it may expose some."""
    delta = policy.budget.delta
    if delta is not None and delta > _LARGE_DELTA:
        message = f"delta {delta} is too large to protect everybody"
        hint = "choose it far below 1 / (number of units): 1e-6 or less"
        yield Advice(("budget", "delta"), message, hint)


def _groups_use_up_delta(policy: Policy, _: Catalog | None) -> Iterator[Advice]:
    """Half of the budget's delta pays for queries with unknown groups, one by one."""
    total = policy.budget.delta
    if total is not None and policy.query.delta * _FEW_QUERIES > total:
        queries = int(total / 2 / policy.query.delta)
        message = f"the budget's delta lasts for {queries} queries with unknown groups"
        hint = "lower query.delta; 1e-10 costs little accuracy"
        yield Advice(("query", "delta"), message, hint)


def _delta_without_use(policy: Policy, _: Catalog | None) -> Iterator[Advice]:
    """A pure promise has no delta, so groups with unknown keys cannot be shown."""
    if policy.budget.delta is None and "delta" in policy.query.model_fields_set:
        message = "query.delta has no effect: the budget has no delta"
        hint = "remove it, or add a delta to the budget to allow unknown groups"
        yield Advice(("query", "delta"), message, hint)


def _default_too_dear(policy: Policy, _: Catalog | None) -> Iterator[Advice]:
    """A query that costs more than the whole budget is always refused."""
    if policy.query.epsilon > policy.budget.epsilon:
        message = "a query with the default epsilon costs more than the whole budget"
        yield Advice(("query", "epsilon"), message, "lower it")


def _quota_above_budget(policy: Policy, _: Catalog | None) -> Iterator[Advice]:
    """An analyst cannot spend more than the budget that all of them share."""
    for name, analyst in policy.analysts.items():
        if analyst.epsilon > policy.budget.epsilon:
            message = f"{name} may spend more than there is: {policy.budget.epsilon}"
            hint = "the budget holds in any case; lower the quota to say what is true"
            yield Advice(("analysts", name, "epsilon"), message, hint)


def _nobody_may_ask(policy: Policy, _: Catalog | None) -> Iterator[Advice]:
    """Only analysts that the policy names may ask."""
    if not policy.analysts:
        hint = "add `analysts: {alice: {epsilon: 1}}`"
        yield Advice(("analysts",), "no analyst is named, so nobody may ask", hint)


def _rows_of_somebody(policy: Policy, _: Catalog | None) -> Iterator[Advice]:
    """Under row privacy nothing protects the many rows of one person together."""
    for name, table in policy.tables.items():
        for each in references(policy.tables, name) if table.row_privacy else ():
            if not policy.tables[each.table].public:
                message = f"rows of `{name}` belong to rows of `{each.table}`, but are"
                message += " protected one by one"
                hint = "remove row_privacy to protect a unit with all its rows"
                yield Advice(("tables", name, "row_privacy"), message, hint)


def _undeclared_key(policy: Policy, _: Catalog | None) -> Iterator[Advice]:
    """A row has one owner only if the column it refers to is unique."""
    for name, table in policy.tables.items():
        if table.public or table.knows_its_unit:
            continue
        for step in (path(policy.tables, name) or [])[:1]:
            if fold(policy.tables[step.table].key or "") != fold(step.key):
                message = f"`{step.table}.{step.key}` must be unique, but is no `key`"
                hint = f"add `key: {step.key}` to table `{step.table}`"
                at = ("tables", name, "references", step.column)
                yield Advice(at, message, hint)


def _no_row_hint(policy: Policy, _: Catalog | None) -> Iterator[Advice]:
    """Knowing how many rows a unit has at most makes answers more accurate."""
    for name, table in policy.tables.items():
        unit = table.privacy_unit_column
        one_row = unit is not None and fold(table.key or "") == fold(unit)
        known = one_row or table.row_privacy or table.max_rows_per_unit is not None
        if not table.public and not known:
            message = f"it is not said how many rows a unit has in `{name}`"
            hint = "add max_rows_per_unit (a hint, never trusted), or the key"
            yield Advice(("tables", name), message, hint)


def _keys_of_public_table(policy: Policy, _: Catalog | None) -> Iterator[Advice]:
    """The keys of a public table are known from the table itself."""
    for name, column, said in _columns(policy):
        for part in ("values", "values_from"):
            if policy.tables[name].public and getattr(said, part) is not None:
                message = f"`{name}` is public, so its keys are known"
                at = ("tables", name, "columns", column, part)
                yield Advice(at, message, f"remove `{part}`")


def _listed_unit(policy: Policy, _: Catalog | None) -> Iterator[Advice]:
    """Units are never shown, so a list of them is of no use, and may expose them."""
    for name, column, said in _columns(policy):
        unit = policy.tables[name].privacy_unit_column
        if unit is not None and fold(column) == fold(unit) and said.values is not None:
            message = f"`{column}` says whose row it is; a list of units is not public"
            hint = "remove `values`: units cannot be a group"
            yield Advice(("tables", name, "columns", column, "values"), message, hint)


def _no_bounds(policy: Policy, catalog: Catalog | None) -> Iterator[Advice]:
    """Without bounds one row could change a sum by any amount."""
    for name, column, said, described in _described(policy, catalog):
        table = policy.tables[name]
        unbounded = said.bounds is None and said.values is None
        if described.type in _NUMBERS and unbounded and not _is_key(table, column):
            if policy.query.profile == "auto":
                message = f"`{column}` has no bounds: SUM and AVG need a profile first"
                hint = (
                    "`bounds: [lowest, highest]` from public knowledge save its price"
                )
            else:
                message = f"`{column}` has no bounds, so SUM and AVG of it are refused"
                hint = "add `bounds: [lowest, highest]` from public knowledge"
            yield Advice(("tables", name, "columns", column), message, hint)


def _bounds_wider_than_type(
    policy: Policy, catalog: Catalog | None
) -> Iterator[Advice]:
    """Noise grows with the bounds, and no value can lie outside of its type."""
    for name, column, said, described in _described(policy, catalog):
        limits = _limits(described.engine_type)
        if said.bounds is None or limits is None or not is_number(said.bounds[0]):
            continue
        if said.bounds[0] < limits[0] or said.bounds[1] > limits[1]:  # type: ignore[operator]  # both are numbers
            message = f"the bounds of `{column}` are wider than its type"
            hint = f"{described.engine_type} holds {limits[0]} to {limits[1]}"
            at = ("tables", name, "columns", column, "bounds")
            yield Advice(at, message, hint)


def _bounds_wider_than_values(policy: Policy, _: Catalog | None) -> Iterator[Advice]:
    """Noise grows with the bounds, and no value lies outside of a closed list."""
    for name, column, said in _columns(policy):
        listed = [each for each in said.values or () if each is not None]
        kinds = {is_number(each) for each in (*listed, *(said.bounds or ()))}
        if said.bounds is None or not listed or len(kinds) > 1:
            continue
        low, high = min(listed), max(listed)
        if said.bounds[0] < low or said.bounds[1] > high:  # type: ignore[operator]  # of one kind
            message = f"the bounds of `{column}` are wider than its list of values"
            at = ("tables", name, "columns", column, "bounds")
            yield Advice(at, message, f"narrow them to [{low}, {high}]")


def _unit_may_be_missing(policy: Policy, catalog: Catalog | None) -> Iterator[Advice]:
    """Rows that do not say whose they are belong to nobody, and are left out."""
    for name, table in policy.tables.items():
        unit = table.privacy_unit_column
        if catalog is None or unit is None or policy.source.duckdb is None:
            continue  # files declare nothing
        known = catalog.tables[find(catalog.tables, name) or name]
        if known.columns[find(known.columns, unit) or unit].nullable:
            message = f"the database allows rows of `{name}` that are nobody's"
            hint = f"declare `{unit}` NOT NULL; `dpquery check --data` counts them"
            yield Advice(("tables", name, "privacy_unit_column"), message, hint)


def _columns(policy: Policy) -> Iterator[tuple[str, str, Column]]:
    """Yield each column that is listed: its table, its name, what is said of it."""
    for name, table in policy.tables.items():
        for column, said in (table.columns or {}).items():
            yield name, column, said


def _described(
    policy: Policy, catalog: Catalog | None
) -> Iterator[tuple[str, str, Column, CatalogColumn]]:
    """Yield the listed columns of private tables with their types."""
    for name, column, said in _columns(policy):
        if catalog is not None and not policy.tables[name].public:
            table: CatalogTable = catalog.tables[find(catalog.tables, name) or name]
            yield (
                name,
                column,
                said,
                table.columns[find(table.columns, column) or column],
            )


def _is_key(table: Table, column: str) -> bool:
    """Tell whether nobody would add up *column*, because it identifies rows."""
    identifiers = {table.key, table.privacy_unit_column, *table.references} - {None}
    return fold(column) in {fold(each) for each in identifiers if each is not None}


def _limits(engine_type: str) -> tuple[Decimal | int, Decimal | int] | None:
    """Return the least and the greatest value of an exact numeric type."""
    if match := DECIMAL.fullmatch(engine_type):
        digits, decimals = int(match[1]), int(match[2])
        most = Decimal(10**digits - 1).scaleb(-decimals)
        return -most, most
    return _INTEGER_BITS.get(engine_type)


RULES: dict[str, tuple[Severity, Rule]] = {
    "P101": (Severity.WARNING, _weak_promise),
    "P102": (Severity.WARNING, _large_delta),
    "P103": (Severity.WARNING, _groups_use_up_delta),
    "P104": (Severity.INFO, _delta_without_use),
    "P105": (Severity.WARNING, _default_too_dear),
    "P106": (Severity.WARNING, _quota_above_budget),
    "P107": (Severity.WARNING, _nobody_may_ask),
    "P108": (Severity.WARNING, _rows_of_somebody),
    "P109": (Severity.WARNING, _undeclared_key),
    "P110": (Severity.INFO, _no_row_hint),
    "P111": (Severity.INFO, _keys_of_public_table),
    "P112": (Severity.WARNING, _listed_unit),
    "P113": (Severity.INFO, _no_bounds),
    "P114": (Severity.WARNING, _bounds_wider_than_type),
    "P115": (Severity.WARNING, _bounds_wider_than_values),
    "P116": (Severity.INFO, _unit_may_be_missing),
    **USE_RULES,
    **EPOCH_RULES,
}
"""All rules; the docstring of each is the reason that documentation gives."""

__all__ = ["RULES", "Finding", "Severity", "lint"]
