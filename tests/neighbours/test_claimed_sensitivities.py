"""Hand-made databases in which Δ is reached: no noise is wasted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dpquery.plan.program import BoundingMode
from dpquery.plan.rewrite import BoundingRules

from .clinic import Hints
from .designs import Design, database, moved, visit

if TYPE_CHECKING:
    import duckdb

    from .worlds import Worlds

GROUPS = 3
ROWS = 4
"""In each group."""
AS_SAID = Hints(GROUPS * ROWS, ROWS)

RULES = [
    pytest.param(BoundingRules(mode, norm, GROUPS), id=f"{mode}-{norm}")
    for mode in BoundingMode
    for norm in (2, 1)
]

VISITS = [
    visit(
        10 * at + again,
        ward=f"w{at}",
        cost="50",
        weight="2.5",
        stay="5",
        big=str(10 * at + again),
    )
    for at in range(GROUPS)
    for again in range(ROWS)
]
"""One person with as many groups and rows as the hints say, at the upper bounds; each
has a value of ``big`` that no other has."""

AGGREGATES = [
    pytest.param("COUNT(*)", "Rows", id="rows"),
    pytest.param("COUNT(cost)", "Present", id="present"),
    pytest.param("COUNT(DISTINCT person)", "Units", id="units"),
    pytest.param("SUM(cost)", "Total", id="total"),
    pytest.param("AVG(weight)", "Total", id="centred total"),
    pytest.param("AVG(weight)", "Present", id="count of an average"),
    pytest.param("VAR_POP(weight)", "Square", id="square"),
    pytest.param("COVAR_POP(weight, stay)", "Product", id="product"),
    pytest.param("CORR(weight, cost)", "Square", id="square beside another"),
    pytest.param("COUNT(DISTINCT big)", "union", id="different values"),
    pytest.param("MEDIAN(stay)", "ranking", id="ranks"),
    pytest.param("MAX(cost)", "ranking", id="ranks from the end"),
    pytest.param(
        "COUNT(*) FILTER (WHERE stay > 1), COUNT(*) FILTER (WHERE stay <= 1)",
        "Rows",
        id="rows of two kinds",
    ),
]


def share(
    connection: duckdb.DuckDBPyConnection, worlds: Worlds, of: Design, what: str
) -> float:
    """Return how much of Δ moves in a measurement of this kind, at the most."""
    found = [m.share for m in moved(connection, worlds, of) if m.what == what]
    return max(found) ** (0.5 if of.rules.norm == 2 else 1)


@pytest.mark.parametrize("rules", RULES)
@pytest.mark.parametrize(("aggregate", "what"), AGGREGATES)
def test_no_noise_is_wasted_on_groups(
    connection: duckdb.DuckDBPyConnection,
    worlds: Worlds,
    rules: BoundingRules,
    aggregate: str,
    what: str,
) -> None:
    sql = f"SELECT ward, {aggregate} FROM visits GROUP BY ward"
    of = Design(sql, database(visits=VISITS), rules, AS_SAID)
    least = 0.98 if what == "union" else 0.99  # Δ = √48, rounded up to a whole number
    assert least < share(connection, worlds, of, what) <= 1


@pytest.mark.parametrize("rules", RULES)
@pytest.mark.parametrize(("aggregate", "what"), AGGREGATES)
def test_no_noise_is_wasted_on_a_total(
    connection: duckdb.DuckDBPyConnection,
    worlds: Worlds,
    rules: BoundingRules,
    aggregate: str,
    what: str,
) -> None:
    of = Design(
        f"SELECT {aggregate} FROM visits", database(visits=VISITS), rules, AS_SAID
    )
    assert 0.99 < share(connection, worlds, of, what) <= 1


@pytest.mark.parametrize("rules", RULES)
def test_no_noise_is_wasted_on_sums_of_different_values(
    connection: duckdb.DuckDBPyConnection, worlds: Worlds, rules: BoundingRules
) -> None:
    """All values of a unit are near the bound only where the bounds are far apart."""
    values = [visit(at, cost=f"{50 - at / 100:.2f}") for at in range(ROWS)]
    of = Design(
        "SELECT SUM(DISTINCT cost) FROM visits",
        database(visits=values),
        rules,
        Hints(ROWS, None),
    )
    assert 0.99 < share(connection, worlds, of, "union") <= 1


@pytest.mark.parametrize("rules", RULES)
def test_bounds_of_the_query_itself_are_reached(
    connection: duckdb.DuckDBPyConnection, worlds: Worlds, rules: BoundingRules
) -> None:
    bounds = "contribution_bounds_per_group => (-7000, 3)"
    of = Design(
        f"SELECT WITH DIFFERENTIAL_PRIVACY ward, SUM(big, {bounds}) AS s "
        "FROM visits GROUP BY ward",
        database(
            visits=[visit(at, ward=f"w{at}", big="-9999") for at in range(GROUPS)]
        ),
        rules,
        AS_SAID,
    )
    assert 0.99 < share(connection, worlds, of, "Total") <= 1


@pytest.mark.parametrize("rules", RULES)
@pytest.mark.parametrize(
    ("aggregate", "what"),
    [
        ("SUM(cost)", "Total"),
        ("VAR_POP(weight)", "Square"),
        ("MEDIAN(stay)", "ranking"),
        ("COUNT(DISTINCT big)", "union"),
    ],
)
def test_a_unit_far_above_its_limits_moves_by_delta_and_no_further(
    connection: duckdb.DuckDBPyConnection,
    worlds: Worlds,
    rules: BoundingRules,
    aggregate: str,
    what: str,
) -> None:
    sql = f"SELECT ward, {aggregate} FROM visits GROUP BY ward"
    of = Design(sql, database(visits=VISITS), rules, Hints(2, 1))
    assert 0.7 < share(connection, worlds, of, what) <= 1
