"""
A group as is assumed, sent through the SQL above: how exact computed columns will be.

No row is read, public or private: what is computed, and from how many draws of noise,
is made of numbers that are assumed (outlook.py), in the process that holds nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from dpquery.kernel.outlook import expected, rows_of_a_group
from dpquery.kernel.postprocess import table_of
from dpquery.kernel.readings import Group, Noisy
from dpquery.kernel.sampling import Sampling
from dpquery.kernel.targets import computed_columns
from dpquery.kernel.typical import SPREAD
from dpquery.noise.intervals import interval
from dpquery.plan.aggregates import DistinctTotal, Product, Square, Total

if TYPE_CHECKING:
    from dpquery.kernel.postprocess import Above
    from dpquery.kernel.prepare import Prepared
    from dpquery.kernel.pricing import PricedStep
    from dpquery.noise.sampled import Sampled
    from dpquery.plan.aggregates import GridValue, Moment
    from dpquery.results import Expected

CONFIDENCE = 0.95
CORRELATION = 0.5
"""Of two values of a row."""


class Assumed(NamedTuple):
    """A computed column of a group as is assumed."""

    value: float
    half: float
    """Half of its interval; infinite where the noise could make it NULL."""


def assumed_errors(
    prepared: Prepared, confidence: float, above: Above
) -> dict[str, Assumed]:
    """
    Return how exact columns are that are computed from noisy numbers, by name.

    Nothing of those for which a row would have to be read, a value is chosen by its
    rank, or a group by itself does not do: its error depends on the data.
    """
    post = prepared.program.post
    if post.replicated is None or post.outputs is None or not _is_free(prepared):
        return {}
    groups = {each.step.name: [_group(each)] for each in prepared.steps}
    tables = {
        each.step.name: table_of(each, groups[each.step.name])
        for each in prepared.steps
    }
    try:
        names, rows = above.run(post.computed, tables)
        sampling = Sampling(prepared, above, groups, tables, names, rows)
        bars = sampling.of_columns()
    except Exception:  # noqa: BLE001 -- a price must not be lost for its errors (bars.py)
        return {}
    return {
        post.outputs[at].name: _assumed(rows[0][at], found[0], confidence)
        for at, found in bars.items()
        if found[0] is not None and rows[0][at] is not None
    }


def expected_of_all(prepared: Prepared, above: Above) -> tuple[Expected, ...]:
    """Return the error to expect of every noisy column, of computed ones, too."""
    post = prepared.program.post
    numbers = post.replicated is not None and post.replicated.smooth
    found: dict[str, float | None] = {
        each.name: None for each in computed_columns(prepared) if numbers
    }
    errors = assumed_errors(prepared, CONFIDENCE, above)
    found |= {name: each.half for name, each in errors.items()}
    return expected(prepared, CONFIDENCE, found)


def _is_free(prepared: Prepared) -> bool:
    """Return whether all that is computed can be computed from assumed numbers."""
    post, steps = prepared.program.post, prepared.steps
    chosen = any(each.choices or each.step.other_of for each in steps)
    known = not prepared.program.missing and not prepared.shaping.any
    return known and not chosen and not post.computed.public


def _assumed(cell: object, bar: Sampled, confidence: float) -> Assumed:
    low, high = interval(bar, confidence)
    return Assumed(float(str(cell)), (high - low) / 2)


def _group(priced: PricedStep) -> Group:
    """Return a group whose noisy numbers are as is assumed; its key is NULL."""
    step = priced.step
    rows, _ = rows_of_a_group(priced)
    moments: list[Moment] = [each.moment for each in step.moments]
    moments += [each.moment for each in step.distinct]
    readings = {}
    for moment in moments:
        steps, noise = priced.noise_of(moment)
        readings[moment] = Noisy.of(
            round(rows * _of_a_row(moment) * steps), noise, steps
        )
    return Group((None,) * len(step.keys), readings)


def _of_a_row(moment: Moment) -> float:
    """
    Return what a row adds to a moment, in steps.

    Values lie around the middle between 0 and the farther of their bounds, with a
    standard deviation of a third of half their width (typical.py).
    """
    match moment:
        case Total(value=value) | DistinctTotal(value=value):
            return _middle(value)
        case Square(value=value, centre=centre):
            return _middle(value) ** 2 + (value.reach / SPREAD) ** 2 - centre
        case Product(left=left, right=right):
            together = left.reach * right.reach / SPREAD**2
            return _middle(left) * _middle(right) + CORRELATION * together
        case _:
            return 1.0


def _middle(value: GridValue) -> float:
    """Return where values lie, in steps from their centre."""
    farther = max(value.low, value.high, key=abs)
    return farther / 2 - value.centre
