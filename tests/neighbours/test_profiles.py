"""
Histograms of units: a unit that goes leaves one bin of each, and moves no other.

Unions: it takes at most as many values with it as it keeps.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from dpquery.errors import QueryRefused, SQLSyntaxError
from dpquery.plan.profile import Quantity, step_of
from dpquery.sql.lowering.profile import lower_histogram, lower_unions

from .clinic import ROW, Hints, people
from .examples import draw, make_example

if TYPE_CHECKING:
    from dpquery.plan.profile import Sought

    from .examples import Asked
    from .worlds import Worlds

HISTOGRAMS = 100


def sought_by(asked: Asked, *, seeks: bool) -> list[Sought]:
    """Return all histograms that a question would like to know."""
    rules = replace(asked.rules, profile=lambda _: None, seeks=seeks)
    hints = asked.hints if seeks else Hints(None, None)
    try:
        return list(replace(asked, rules=rules, hints=hints).program().missing)
    except (QueryRefused, SQLSyntaxError):
        return []


def moved(worlds: Worlds, sought: Sought) -> int:
    """Return how many worlds a histogram differs in; by one unit in one bin."""
    lowered = lower_histogram(sought)
    kind = ROW if sought.source.kind == ROW else sought.source.kind
    before = Counter(dict(worlds.run(worlds.all, lowered.text, {})))
    assert set(before) <= set(range(sought.first, sought.last + 1))
    found = 0
    for world in worlds.without(kind, lowered.tables):
        after = Counter(dict(worlds.run(world, lowered.text, {})))
        assert not after - before, "a unit less makes a bin larger"
        assert (before - after).total() <= 1, "a unit is in two bins"
        found += before != after
    return found


def shrunk(worlds: Worlds, sought: Sought) -> int:
    """Return how often a union is smaller without a unit, by no more than its Δ."""
    found = 0
    unions = zip(step_of(sought).distinct, lower_unions(sought), strict=True)
    for bounded, lowered in unions:
        ((before,),) = worlds.run(worlds.all, lowered.text, {})
        for world in worlds.without(sought.source.kind, lowered.tables):
            ((after,),) = worlds.run(world, lowered.text, {})
            assert after <= before, "a unit less makes a union larger"
            assert before - after <= bounded.sensitivity, "a unit keeps too many values"
            found += before != after
    return found


@pytest.mark.parametrize("seeks", [True, False], ids=["exact rows", "when needed"])
def test_a_unit_is_in_one_bin(worlds: Worlds, *, seeks: bool) -> None:
    checked, kinds, somebody = 0, Counter[Quantity](), 0
    for drawn in draw(4711):
        example = make_example(drawn)
        rows = example.rows
        worlds.fill(rows, people(rows), ["0", "1"][: len(rows[ROW])])
        for sought in {s for a in example.asked for s in sought_by(a, seeks=seeks)}:
            look = shrunk if sought.quantity is Quantity.UNION else moved
            somebody += look(worlds, sought) > 0
            kinds[sought.quantity] += 1
            checked += 1
        if checked >= HISTOGRAMS:
            break
    assert somebody > HISTOGRAMS / 4
    assert kinds[Quantity.NORM] > HISTOGRAMS / 4
    assert kinds[Quantity.LARGEST] > 0
    assert kinds[Quantity.UNION] > 0
    assert (kinds[Quantity.GROUPS] > 0) is seeks
