"""The forms of a query's rows that histograms of units may be of.

Every form is owned by its units by the rules for every release.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from dpquery.errors import QueryRefused
from dpquery.plan.analysis.privacy_unit import own
from dpquery.plan.expressions import Call, ColumnRef, conjunction, conjuncts
from dpquery.plan.relations import Filter, Released
from dpquery.plan.walk import relations, subqueries

if TYPE_CHECKING:
    from dpquery.plan.expressions import Expression
    from dpquery.plan.program import GroupKey
    from dpquery.plan.relations import Owned, Relation
    from dpquery.policy.catalog import Catalog


@dataclass(frozen=True, slots=True)
class Form:
    """Rows that histograms may be of."""

    source: Owned
    keys: tuple[GroupKey, ...]
    blocks: tuple[str, ...] = ()


def forms_of(
    exact: Form, general: Relation | None, catalog: Catalog
) -> tuple[Form, ...]:
    """
    Return the forms of rows that histograms may be of, the most particular first.

    None reads earlier answers.

    *general* are the rows without the query's own conditions. Where some expression
    is tied to the exact rows, there is no other form of them.
    """
    found = [exact]
    fixed = any(tied(key.expression) for key in exact.keys)
    if general is not None and not fixed:
        with contextlib.suppress(QueryRefused):  # a condition said whose rows these are
            found.append(Form(own(general, catalog), exact.keys))
    if exact.keys:
        found += [replace(form, keys=()) for form in found]
    return tuple(form for form in found if not _reads_answers(form.source.relation))


def _reads_answers(relation: Relation) -> bool:
    """Return whether rows depend on earlier answers: no profile of them would last."""
    return any(isinstance(each, Released) for each in relations(relation))


def tied(expression: Expression) -> bool:
    """Return whether an expression is about the exact rows, and no other form."""
    return next(subqueries(expression), None) is not None


def without_conditions(relation: Relation) -> Relation | None:
    """Return rows with no conditions but equalities of columns, if there are others."""
    kept: list[Expression] = []
    dropped, rest = False, relation
    while isinstance(rest, Filter):
        for part in conjuncts(rest.predicate):
            if _equality(part):
                kept.append(part)
            else:
                dropped = True
        rest = rest.child
    if not dropped:
        return None
    return Filter(rest, conjunction(kept)) if kept else rest


def _equality(part: Expression) -> bool:
    match part:
        case Call(function="eq", arguments=(ColumnRef(), ColumnRef())):
            return True
        case _:
            return False
