"""What an analyst asks to be made of released cells before the SQL above reads them.

Post-processing of released tables, on request (consistency.py). The measurement is the
same with and without, so that to switch it on for a known answer is free. Rows that
are compared with an answer are compared with what was measured, shaped or not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dpquery.errors import QueryRefused
from dpquery.kernel.consistency import monotone, nonnegative
from dpquery.kernel.levels import parents_of
from dpquery.kernel.prepare import as_another_question
from dpquery.plan.aggregates import DistinctTotal, LinearEstimator, Total
from dpquery.plan.expressions import NUMERIC, TEMPORAL

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from dpquery.kernel.consistency import Number, Shaping
    from dpquery.kernel.levels import Level, Parent
    from dpquery.kernel.postprocess import Row, Table
    from dpquery.kernel.prepare import Prepared
    from dpquery.plan.program import ReleasedColumn, ReleaseStep


def shaped(prepared: Prepared, shaping: Shaping) -> Prepared:
    """
    Return *prepared* as another question: the same measurement, with other answers.

    Raises:
        QueryRefused: DPQ428, there is nothing to shape; nothing is charged.
    """
    if not shaping.any:
        return prepared
    steps = [priced.step for priced in prepared.steps]
    if not any(columns_of(step) for step in steps):
        msg = "no column is a count, or a sum of values that are never negative"
        hint = "leave --nonnegative and --monotone out, or give the value bounds from 0"
        raise QueryRefused(msg, code="DPQ428", hint=hint)
    if shaping.monotone and not any(
        columns_of(step) and order_of(step) is not None for step in steps
    ):
        msg = "running totals need an order: GROUP BY has no date or number of its own"
        hint = "group by one date or number; any texts beside it are told apart"
        raise QueryRefused(msg, code="DPQ428", hint=hint)
    return as_another_question(prepared, shaping)


def columns_of(step: ReleaseStep) -> dict[int, ReleasedColumn]:
    """Return the columns that are never negative without noise, by their place."""
    return {
        len(step.keys) + at: column
        for at, column in enumerate(step.columns)
        if _never_negative(column)
    }


def _never_negative(column: ReleasedColumn) -> bool:
    estimator = column.estimator
    if not isinstance(estimator, LinearEstimator):
        return False
    sums = [m for _, m in estimator.terms if isinstance(m, Total | DistinctTotal)]
    if not sums:  # only counts
        return all(coefficient >= 0 for coefficient, _ in estimator.terms)
    return all(_least(each) >= 0 for each in sums)


def _least(moment: Total | DistinctTotal) -> int:
    bounds = moment.group_bounds if isinstance(moment, Total) else None
    return moment.value.low if bounds is None else bounds[0]


def order_of(step: ReleaseStep) -> int | None:
    """Return which key is the one date or number; ``None``: none, or several are."""
    found = [
        at
        for at, key in enumerate(step.keys)
        if key.expression.type in NUMERIC | TEMPORAL
    ]
    return found[0] if len(found) == 1 else None


def shaped_tables(
    prepared: Prepared,
    tables: Mapping[str, Table],
    sets: Sequence[Sequence[Level]],
) -> dict[str, Table]:
    """Return the released tables with their cells shaped; *sets* are levels.py's."""
    shaping, found = prepared.shaping, dict(tables)
    if not shaping.any:
        return found
    parents = parents_of(sets)
    steps = {priced.step.name: priced.step for priced in prepared.steps}
    for name in sorted(steps, key=lambda each: len(steps[each].keys)):
        step, (columns, rows) = steps[name], found[name]
        order = order_of(step) if shaping.monotone else None
        for place, column in columns_of(step).items():
            if order is not None:
                rows = _running(rows, place, order, len(step.keys))
            elif shaping.nonnegative:
                parent = parents.get(name)
                totals = None
                if parent is not None:
                    above = steps[parent.release], found[parent.release]
                    totals = _totals(*above, column, parent)
                part = _all if parent is None or totals is None else parent.part
                rows = _projected(rows, place, len(step.keys), part, totals)
        found[name] = columns, rows
    return found


def _all(_: tuple[Any, ...]) -> tuple[Any, ...]:
    return ()


def _totals(
    step: ReleaseStep, table: Table, column: ReleasedColumn, parent: Parent
) -> dict[tuple[Any, ...], Number | None] | None:
    """Return the shaped cells of the same column a level above, by its groups."""
    for place, other in columns_of(step).items():
        if _terms(other) == _terms(column):
            return {parent.own(row[: len(step.keys)]): row[place] for row in table[1]}
    return None


def _terms(column: ReleasedColumn) -> object:
    estimator = column.estimator
    return estimator.terms if isinstance(estimator, LinearEstimator) else None


def _projected(
    rows: Sequence[Row],
    place: int,
    keys: int,
    part: Callable[[tuple[Any, ...]], tuple[Any, ...]],
    totals: Mapping[tuple[Any, ...], Number | None] | None,
) -> list[Row]:
    """Return rows whose cells are not negative, and add up as before in each part."""
    return _changed(
        rows,
        place,
        lambda at: part(rows[at][:keys]),
        lambda of, cells: nonnegative(
            cells, None if totals is None else totals.get(of)
        ),
    )


def _running(rows: Sequence[Row], place: int, order: int, keys: int) -> list[Row]:
    """Return rows whose running totals never fall, for each of the other keys."""
    places = sorted(
        (at for at in range(len(rows)) if rows[at][order] is not None),
        key=lambda at: rows[at][order],
    )
    return _changed(
        rows,
        place,
        lambda at: (*rows[at][:order], *rows[at][order + 1 : keys]),
        lambda _, cells: monotone(cells),
        places,
    )


def _changed(
    rows: Sequence[Row],
    place: int,
    part: Callable[[int], tuple[Any, ...]],
    change: Callable[[tuple[Any, ...], list[Number]], list[Number]],
    places: Sequence[int] | None = None,
) -> list[Row]:
    """Return *rows* with the cells of a column changed, part by part; not NULL."""
    parts: dict[tuple[Any, ...], list[int]] = {}
    for at in range(len(rows)) if places is None else places:
        if rows[at][place] is not None:
            parts.setdefault(part(at), []).append(at)
    found = list(rows)
    for of, inside in parts.items():
        cells = change(of, [rows[at][place] for at in inside])
        for at, cell in zip(inside, cells, strict=True):
            found[at] = (*rows[at][:place], cell, *rows[at][place + 1 :])
    return found


def floored(prepared: Prepared) -> tuple[str, ...]:
    """Return the outputs whose intervals begin at 0 at the lowest: they are shaped."""
    if not prepared.shaping.any:
        return ()
    return tuple(
        output.name
        for output in prepared.program.post.outputs or ()
        if output.cell is not None
        and _never_negative(
            prepared.column(output.cell.levels[0], output.cell.column)[1]
        )
    )


def shaping_notes(prepared: Prepared) -> tuple[str, ...]:
    """Return what was made of the cells, and what intervals are of."""
    shaping, made = prepared.shaping, []
    if shaping.monotone:
        made.append("running totals of counts and sums were made never to fall")
    if shaping.nonnegative:
        made.append("counts and sums were made non-negative, their totals kept")
    if not made:
        return ()
    note = (
        f"{'; '.join(made)}. Intervals are those of what was measured, from 0 on; "
        "averages and other columns are as measured"
    )
    return (note,)
