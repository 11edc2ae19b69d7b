"""
What a target will cost, said before anything is measured.

Exact for counts and sums within an amount. The error of other columns depends on the
data, so that their price is one for groups as are assumed (outlook.py, assumed.py).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from dpquery.accounting.loss import AMOUNT_UNITS, Definition
from dpquery.kernel.assumed import assumed_errors
from dpquery.kernel.outlook import assumption, rows_of_a_group
from dpquery.kernel.targets import (
    cheapest,
    columns_of,
    is_closed,
    losses_of,
    multiplied,
    repriced,
    shared,
    targeted,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from dpquery.kernel.assumed import Assumed
    from dpquery.kernel.needs import Target
    from dpquery.kernel.postprocess import Above
    from dpquery.kernel.prepare import Prepared
    from dpquery.kernel.rounds import Rules
    from dpquery.plan.program import Output

START = 0.01
"""The loss that is tried first where nothing but computed columns says more: at ρ 0.01
a count has a σ of 7."""
TRIES = 6
"""How often a price is tried on computed columns: their errors are nearly in proportion
to the noise, so that the second is near."""
NEAR = 1.03
"""How far from the target it may end."""
FAR = 8.0
"""How much better is tried while noise leaves a column open."""


def by_price(
    usual: Prepared, rules: Rules, above: Above
) -> tuple[Prepared, tuple[str, ...]]:
    """
    Return a query at the price of a target, and what that price assumes.

    Raises:
        QueryRefused: DPQ142, there is no column whose error can be set.
    """
    outputs = targeted(usual)
    computed = [output.name for output in outputs if output.cell is None]
    alone = len(computed) == len(outputs)
    prepared = _first(usual, rules, alone=alone)
    found: list[str] = []
    if computed:
        prepared, told = _for_computed(usual, prepared, rules.target, above)
        untold = [name for name in computed if name not in told]
        if alone and not told:
            prepared = repriced(usual, shared(usual, rules.limit.amount))
        found += _untold(untold, nothing=alone and not told)
    if not is_closed(usual, rules.target) and not (alone and found):
        words = _assumptions(usual, outputs)
        found.insert(0, f"an estimate, for {words}: the price depends on the data")
    if prepared.loss.amount > rules.limit.amount:
        limit = rules.epsilon(rules.limit)
        found.append(f"this is more than one query may cost, ε {limit:.3g}")
    return prepared, tuple(found)


def _first(usual: Prepared, rules: Rules, *, alone: bool) -> Prepared:
    """Return a query at the price of all but computed columns, if there are others."""
    if not alone:
        return repriced(usual, cheapest(usual, rules.target))
    amount = min(START * AMOUNT_UNITS, rules.limit.amount)
    return repriced(usual, shared(usual, amount))


def _for_computed(
    usual: Prepared, prepared: Prepared, target: Target, above: Above
) -> tuple[Prepared, Mapping[str, Assumed]]:
    """
    Return a query at the price of its computed columns, too, and their errors then.

    Where there are no others, all measurements have the price that the strictest needs.
    """
    alone = all(output.cell is None for output in targeted(usual))
    power = 1 if usual.loss.definition is Definition.PURE else 2
    told = assumed_errors(prepared, target.confidence, above)
    for _ in range(TRIES):
        factor = {name: _factor(each, target) for name, each in told.items()}
        most = max(factor.values(), default=1.0)
        if most <= NEAR and (not alone or most >= 1 / NEAR):
            break
        before = losses_of(prepared)
        if alone:
            losses = shared(usual, sum(map(sum, before)) * most**power)
        else:
            losses = multiplied(usual, before, factor)
        prepared = repriced(usual, losses)
        told = assumed_errors(prepared, target.confidence, above)
    return prepared, told


def _factor(assumed: Assumed, target: Target) -> float:
    """Return how many times narrower an interval has to be than it would be."""
    wanted = target.amount
    if target.relative:
        wanted *= abs(assumed.value) / (1 + target.amount)
    if not wanted or not math.isfinite(assumed.half):
        return FAR
    return min(max(assumed.half / wanted, 1e-6), 1e6)


def _untold(names: list[str], *, nothing: bool) -> list[str]:
    """Return a note on computed columns whose error nobody can say before."""
    if not names:
        return []
    so = "this is the most that it may cost" if nothing else "it may cost more"
    which = ", ".join(map(repr, names))
    return [f"the error of {which} is known with the answer only: {so}"]


def _assumptions(usual: Prepared, outputs: Iterable[Output]) -> str:
    """Return what the price of a target assumes, in words."""
    _, rows = rows_of_a_group(usual.steps[0])
    each = (column for output in outputs for column in columns_of(usual, output))
    words = (assumption(usual.steps[at], column) for at, column in each)
    return "; ".join(dict.fromkeys(w for w in words if w is not None)) or rows
