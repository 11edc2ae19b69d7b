"""Hand-made databases: Δ is reached, and a pipeline that is broken is caught."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

import duckdb
import pytest
from sqlglot import exp

from dpquery.errors import QueryRefused
from dpquery.plan.aggregates import Present, Rows, Total, Units
from dpquery.plan.analysis import privacy_unit
from dpquery.plan.expressions import TRUE
from dpquery.plan.program import BoundingMode
from dpquery.plan.relations import JoinKind
from dpquery.plan.rewrite import BoundingRules
from dpquery.sql import lower, lower_bounding, lower_values
from dpquery.sql.functions import cast, number

from .clinic import NAMES, Hints, Row
from .removal import Example, check_removals, plan

if TYPE_CHECKING:
    from collections.abc import Callable

    from dpquery.plan.aggregates import Moment
    from dpquery.plan.expressions import Expression
    from dpquery.plan.program import Bounding

GROUPS = 3
ROWS = 4
"""In each group."""

RULES = [
    pytest.param(BoundingRules(mode, norm, GROUPS), id=f"{mode}-{norm}")
    for mode in BoundingMode
    for norm in (2, 1)
]


def row(table: str, **cells: str) -> Row:
    """Return a row of *table*; what is not said is NULL."""
    return tuple(cells.get(name) for name in NAMES[table])


def visit(number: int, person: str | None = "1", **cells: str) -> Row:
    known = {} if person is None else {"person": person}
    return row("visits", visit=str(number), **known, **cells)


def example(
    sql: str,
    rules: BoundingRules,
    hints: Hints = Hints(GROUPS * ROWS, ROWS),  # noqa: B008 -- frozen
    unit: str | None = "1",
    **tables: list[Row],
) -> Example:
    empty: dict[str, list[Row]] = {name: [] for name in NAMES}
    return Example(empty | tables, sql, rules, hints, [unit])


VISITS = [
    visit(10 * at + again, ward=f"w{at}", cost="50", weight="2.5", stay="5")
    for at in range(GROUPS)
    for again in range(ROWS)
]
"""One person with as many groups and rows as the hints say, at the upper bounds."""
PEOPLE = [row("people", id="1", sex="f", born="2003")]

MOMENTS = [
    pytest.param("COUNT(*)", Rows, id="rows"),
    pytest.param("COUNT(cost)", Present, id="present"),
    pytest.param("COUNT(DISTINCT person)", Units, id="units"),
    pytest.param("SUM(cost)", Total, id="total"),
    pytest.param("AVG(weight)", Total, id="centred total"),
    pytest.param("AVG(weight)", Present, id="count of an average"),
]


def share(
    connection: duckdb.DuckDBPyConnection, of: Example, kind: type[Moment]
) -> float:
    """Return how much of Δ the moment of this *kind* moves when the unit goes."""
    step = plan(of)
    (index,) = (i for i, m in enumerate(step.moments) if isinstance(m.moment, kind))
    moved = check_removals(connection, of, step)[index]
    return float(moved) ** (0.5 if of.rules.norm == 2 else 1)


@pytest.mark.parametrize("rules", RULES)
@pytest.mark.parametrize(("aggregate", "kind"), MOMENTS)
def test_no_noise_is_wasted_on_groups(
    connection: duckdb.DuckDBPyConnection,
    rules: BoundingRules,
    aggregate: str,
    kind: type[Moment],
) -> None:
    sql = f"SELECT ward, {aggregate} FROM visits GROUP BY ward"
    assert share(connection, example(sql, rules, visits=VISITS), kind) > 0.99


@pytest.mark.parametrize("rules", RULES)
@pytest.mark.parametrize(("aggregate", "kind"), MOMENTS)
def test_no_noise_is_wasted_on_a_total(
    connection: duckdb.DuckDBPyConnection,
    rules: BoundingRules,
    aggregate: str,
    kind: type[Moment],
) -> None:
    sql = f"SELECT {aggregate} FROM visits"
    assert share(connection, example(sql, rules, visits=VISITS), kind) > 0.99


@pytest.mark.parametrize("rules", RULES)
def test_a_unit_far_above_its_limits_moves_by_delta_and_no_further(
    connection: duckdb.DuckDBPyConnection, rules: BoundingRules
) -> None:
    sql = "SELECT ward, SUM(cost) FROM visits GROUP BY ward"
    low = Hints(2, 1)
    assert 0.9 < share(connection, example(sql, rules, low, visits=VISITS), Total) <= 1


# --- broken on purpose: each must be noticed -----------------------------------------

NORM = BoundingRules(BoundingMode.NORM, 2, 1)
TRUNCATE = BoundingRules(BoundingMode.TRUNCATE, 2, 1)
LOW = Hints(1, 1)
BY_WARD = "SELECT ward, COUNT(*) FROM visits GROUP BY ward"


TOO_FAR = "moves further than its sensitivity"
NOT_LOCAL = "changes rows of other units"


def problem(connection: duckdb.DuckDBPyConnection, of: Example) -> str:
    """Return what is noticed when the unit is removed; nothing, if all is well."""
    try:
        check_removals(connection, of, plan(of))
    except (AssertionError, duckdb.Error) as error:
        return str(error)
    return ""


Breaks = pytest.MonkeyPatch


def noticed(
    connection: duckdb.DuckDBPyConnection, of: Example, break_it: Callable[[], None]
) -> str:
    """Return what is noticed in the broken pipeline; the sound one has to pass."""
    assert not problem(connection, of)
    break_it()
    return problem(connection, of)


@pytest.mark.parametrize("rules", [NORM, TRUNCATE])
def test_a_missing_clip_is_caught(
    connection: duckdb.DuckDBPyConnection, monkeypatch: Breaks, rules: BoundingRules
) -> None:
    def never(*_: object) -> exp.Expression:
        return cast(number(1), "DOUBLE")

    def break_it() -> None:
        monkeypatch.setattr(lower_bounding, "_factor", never)

    of = example(BY_WARD, rules, LOW, visits=VISITS)
    assert TOO_FAR in noticed(connection, of, break_it)


def test_a_clip_to_the_nearest_integer_is_caught(
    connection: duckdb.DuckDBPyConnection, monkeypatch: Breaks
) -> None:
    """Three groups of 2 under the norm 2: 1.15 each, and 2 is too much."""
    real = lower_bounding.call

    def up(name: str, *arguments: exp.Expression) -> exp.Anonymous:
        return real("ceil" if name == "trunc" else name, *arguments)

    def break_it() -> None:
        allowed = lower.CLIPPING_FUNCTIONS | {"ceil"}
        monkeypatch.setattr(lower, "CLIPPING_FUNCTIONS", allowed)
        monkeypatch.setattr(lower_bounding, "call", up)

    of = example(BY_WARD, NORM, Hints(2, None), visits=VISITS)
    assert TOO_FAR in noticed(connection, of, break_it)


def test_a_missing_clamp_is_caught(
    connection: duckdb.DuckDBPyConnection, monkeypatch: Breaks
) -> None:
    """The clip alone keeps Δ; without the clamp, one huge value makes the SQL raise."""

    def unclamped(name: exp.Expression, _: object) -> exp.Expression:
        return name

    def break_it() -> None:
        monkeypatch.setattr(lower_values, "_clamped", unclamped)

    huge = [visit(1, stay="9223372036854775807")]
    of = example("SELECT SUM(stay) FROM visits", NORM, visits=huge)
    assert "can't be cast" in noticed(connection, of, break_it)


@pytest.mark.parametrize("rules", [NORM, TRUNCATE])
def test_half_the_sensitivity_is_caught(
    connection: duckdb.DuckDBPyConnection, monkeypatch: Breaks, rules: BoundingRules
) -> None:
    module = import_module("dpquery.plan.rewrite.bound_contributions")
    real = module.sensitivity

    def half(limit: int, how: Bounding) -> int:
        return real(limit, how) // 2

    def break_it() -> None:
        monkeypatch.setattr(module, "sensitivity", half)

    of = example(BY_WARD, rules, LOW, visits=VISITS)
    assert TOO_FAR in noticed(connection, of, break_it)


def test_one_group_too_many_is_caught(
    connection: duckdb.DuckDBPyConnection, monkeypatch: Breaks
) -> None:
    real = lower._Builder._kept

    def generous(builder: lower._Builder) -> exp.Select:
        kept = real(builder)
        most = next(iter(kept.args["where"].find_all(exp.Literal)))
        most.set("this", "2")
        return kept

    def break_it() -> None:
        monkeypatch.setattr(lower._Builder, "_kept", generous)

    of = example(BY_WARD, TRUNCATE, LOW, visits=VISITS)
    assert TOO_FAR in noticed(connection, of, break_it)


def test_a_unit_that_weighs_the_same_in_every_group_is_caught(
    connection: duckdb.DuckDBPyConnection, monkeypatch: Breaks
) -> None:
    def whole(_: Bounding) -> exp.Expression:
        return number(1024)

    def break_it() -> None:
        monkeypatch.setattr(lower_bounding, "_unit_weight", whole)

    of = example(BY_WARD, NORM, LOW, visits=VISITS)
    assert TOO_FAR in noticed(connection, of, break_it)


def test_a_unit_in_more_groups_than_the_threshold_knows_of_is_caught(
    connection: duckdb.DuckDBPyConnection, monkeypatch: Breaks
) -> None:
    """Seventeen groups at k = 1: beyond G = 16 the unit must not count at all."""
    real = lower_bounding._unit_weight

    def uncapped(how: Bounding) -> exp.Expression:
        weight = real(how)
        weight.set("ifs", weight.args["ifs"][:1])
        return weight

    def break_it() -> None:
        monkeypatch.setattr(lower_bounding, "_unit_weight", uncapped)

    many = [visit(at, ward=f"w{at}") for at in range(17)]
    of = example(BY_WARD, NORM, LOW, visits=many)
    assert "weighs more than the threshold assumes" in noticed(connection, of, break_it)


def test_a_join_that_separates_rows_from_their_unit_is_caught(
    connection: duckdb.DuckDBPyConnection, monkeypatch: Breaks
) -> None:
    """The bill of 2 is for a visit of 1, so it is a row of both, and refused."""

    def untied(*_: object) -> list[object]:
        return []

    of = example(
        "SELECT COUNT(*) FROM bills AS b JOIN visits AS v ON b.visit = v.visit",
        NORM,
        bills=[row("bills", person="2", visit="7")],
        visits=[visit(7)],
    )
    with pytest.raises(QueryRefused, match="DPQ110"):
        plan(of)
    monkeypatch.setattr(privacy_unit, "_ties", untied)
    assert NOT_LOCAL in problem(connection, of)


def test_a_wrong_way_to_the_owner_is_caught(
    connection: duckdb.DuckDBPyConnection, monkeypatch: Breaks
) -> None:
    """Without its condition, the hidden join gives every exam to everybody."""

    def anything(*_: object) -> Expression:
        return TRUE

    def break_it() -> None:
        monkeypatch.setattr(privacy_unit, "equals", anything)

    of = example(
        "SELECT COUNT(*) FROM exams",
        NORM,
        exams=[row("exams", exam="e1", visit="7")],
        visits=[visit(7), visit(8, "2")],
    )
    assert NOT_LOCAL in noticed(connection, of, break_it)


def test_rows_that_nobody_owns_are_caught(
    connection: duckdb.DuckDBPyConnection, monkeypatch: Breaks
) -> None:
    """A LEFT JOIN on the way to the owner would make one unit of all orphans."""
    real = lower._Builder._source

    class AlwaysLeft:
        INNER = LEFT = JoinKind.LEFT

    def unfiltered(builder: lower._Builder) -> exp.Select:
        query = real(builder)
        query.set("where", None)
        return query

    def break_it() -> None:
        monkeypatch.setattr(privacy_unit, "JoinKind", AlwaysLeft)
        monkeypatch.setattr(lower._Builder, "_source", unfiltered)

    of = example(
        "SELECT COUNT(*) FROM exams",
        NORM,
        unit=None,
        exams=[row("exams", exam="e1", visit="99")],
    )
    assert "a row without a unit" in noticed(connection, of, break_it)
