"""Names in a plan mean one column each.

The engine resolves names by itself, and takes the first of two columns of one name. If
one of them held the unit, rows would get another owner; so upheld here, beside the
binder, which makes the names: no relation shows two columns of one name. To the engine,
names are equal when they differ by the case of ASCII letters only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dpquery.plan.walk import relations, visible
from dpquery.policy.catalog import fold

if TYPE_CHECKING:
    from dpquery.plan.relations import Relation


def check_names(relation: Relation) -> None:
    """
    Refuse a plan in which a column has the name of another one.

    Raises:
        ValueError: there are two such columns; a fault of the binder.
    """
    for each in relations(relation):
        shown = [(fold(c.relation), fold(c.name)) for c in visible(each)]
        if len(set(shown)) < len(shown):
            msg = "two columns of a relation have one name"
            raise ValueError(msg)
