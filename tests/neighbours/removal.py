"""What must hold when one unit is removed (theory.md 6.1: T1 and T2)."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from dpquery.engines.base import Statement
from dpquery.engines.statement_check import check_statement
from dpquery.plan.aggregates import Units
from dpquery.plan.analysis.sensitivity import unit_weights
from dpquery.plan.rewrite import BoundingRules, compile_program
from dpquery.sql.bind import bind
from dpquery.sql.lower import EngineSQL, lower_parts, lower_release

from .clinic import ROW, Hints, Rows, catalog, fill, without

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    import duckdb

    from dpquery.plan.program import ReleaseStep

Vector = tuple[int, ...]
Groups = dict[tuple[str | None, ...], Vector]
Parts = Counter[tuple[object, ...]]


@dataclass(frozen=True)
class Example:
    """A database, a question, the owner's rules, and who is removed."""

    rows: Rows
    sql: str
    rules: BoundingRules
    hints: Hints
    units: Sequence[str | None]
    """Who is removed, in turn: a unit, a row's number for sensors, or ``None`` for
    the rows that nobody owns."""


def plan(example: Example) -> ReleaseStep:
    """Return the one release of the example's query."""
    known = catalog(example.hints)
    (step,) = compile_program(bind(example.sql, known), known, example.rules).releases
    return step


def check_removals(
    connection: duckdb.DuckDBPyConnection, example: Example, step: ReleaseStep
) -> list[Fraction]:
    """
    Assert that removing a unit changes no other unit's rows, and little in all.

    Returns how far moments moved, as shares of their claimed sensitivities, squared
    where the norm is L2.
    """
    release, exact = lower_release(step), lower_parts(step)
    for lowered in (release, exact):
        planned = Statement(lowered.text, lowered.tables, lowered.functions)
        check_statement(connection, planned)
    fill(connection, example.rows, release.tables)
    connection.execute(release.text).fetchall()  # as the engine fetches it: no error
    groups = _groups(connection, release, step)
    parts = _parts(connection, exact, step)
    shares: list[Fraction] = []
    for unit in example.units:
        _remove(connection, example, unit, release.tables)
        others = _parts(connection, exact, step)
        left = _groups(connection, release, step)
        _assert_unit_local(parts, others, unit)
        shares += _shares(groups, left, step)
        _assert_shape(groups, left, step)
        if unit is None:
            assert groups == left, "rows that nobody owns are counted"
    return shares


def _remove(
    connection: duckdb.DuckDBPyConnection,
    example: Example,
    unit: str | None,
    tables: Collection[str],
) -> None:
    """Take *unit* out, and nobody else; a row of sensors keeps the others' numbers."""
    if ROW in tables:
        fill(connection, example.rows, tables)
        connection.execute("DELETE FROM sensors WHERE rowid = ?", [unit])
    else:
        fill(connection, without(example.rows, unit), tables)


def _groups(
    connection: duckdb.DuckDBPyConnection, lowered: EngineSQL, step: ReleaseStep
) -> Groups:
    """Return the moments by key; keys as texts, since not every date is Python's."""
    rows = _fetch(connection, lowered, [key.name for key in step.keys], step)
    count = len(step.keys)
    groups = {row[:count]: row[count:] for row in rows}
    assert len(groups) == len(rows), "a group comes twice"
    return groups


def _parts(
    connection: duckdb.DuckDBPyConnection, lowered: EngineSQL, step: ReleaseStep
) -> Parts:
    names = ["u", *(key.name for key in step.keys)]
    return Counter(_fetch(connection, lowered, names, step))


def _fetch(
    connection: duckdb.DuckDBPyConnection,
    lowered: EngineSQL,
    texts: list[str],
    step: ReleaseStep,
) -> list[tuple[object, ...]]:
    items = [f"{name}::VARCHAR" for name in texts]
    items += [f"m{index}" for index in range(len(step.moments))]
    return connection.execute(
        f"SELECT {', '.join(items)} FROM ({lowered.text})"
    ).fetchall()


def _assert_unit_local(before: Parts, after: Parts, unit: str | None) -> None:
    """T1: exactly the unit's own rows are gone."""
    assert all(row[0] is not None for row in before), "a row without a unit is left"
    others = Counter({row: n for row, n in before.items() if row[0] != unit})
    assert after == others, "removing a unit changes rows of other units"


def _assert_shape(before: Groups, after: Groups, step: ReleaseStep) -> None:
    """Public groups stay; of others, the unit shows alone in no more than planned."""
    if step.domain is not None:
        assert before.keys() == after.keys(), "the shape of the answer is private"
        return
    assert after.keys() <= before.keys()
    kinds = [isinstance(each.moment, Units) for each in step.moments]
    alone = [before[key][kinds.index(True)] for key in before.keys() - after.keys()]
    counted = [weight for weight in alone if weight]
    if counted:
        weights = unit_weights(step.bounding)
        assert any(len(counted) <= g and max(counted) <= w for g, w in weights), (
            "a unit alone weighs more than the threshold assumes"
        )


def _shares(before: Groups, after: Groups, step: ReleaseStep) -> list[Fraction]:
    """T2: no moment moves by more than Δ, nor do all together."""
    squared = step.bounding.norm == 2
    zeros = (0,) * len(step.moments)
    shares = []
    for index, bounded in enumerate(step.moments):
        moved = [
            before.get(key, zeros)[index] - after.get(key, zeros)[index]
            for key in before.keys() | after.keys()
        ]
        size = sum(each * each if squared else abs(each) for each in moved)
        claimed = bounded.sensitivity**2 if squared else bounded.sensitivity
        assert size <= claimed, f"moment {index} moves further than its sensitivity"
        shares.append(Fraction(size, claimed))
    assert sum(shares) <= len(shares)
    return shares
