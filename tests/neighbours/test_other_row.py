"""The rows of what is withheld: given which groups are shown, one unit moves little."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dpquery.kernel.other_row import with_other_row
from dpquery.plan.rewrite import compile_program
from dpquery.sql.queries.bind import bind

from .clinic import Hints, catalog, people
from .designs import NORM, TRUNCATE, database, visit
from .removal import Removal

if TYPE_CHECKING:
    import duckdb

    from dpquery.plan.rewrite import BoundingRules

    from .worlds import Worlds

ROWS = database(
    visits=[
        visit(at, str(at % 4), stay=str(at % 6), ward=[None, "a", "b", "c"][at % 7 % 4])
        for at in range(40)
    ]
)
SQL = "SELECT ward, COUNT(*), SUM(stay), COUNT(DISTINCT person) FROM visits GROUP BY 1"


@pytest.mark.parametrize("rules", [NORM, TRUNCATE])
@pytest.mark.parametrize("shown", [[], ["a"], ["a", None, "c"], ["a", None, "b", "c"]])
def test_a_unit_moves_the_other_row_within_its_limit(
    connection: duckdb.DuckDBPyConnection,
    worlds: Worlds,
    rules: BoundingRules,
    shown: list[str | None],
) -> None:
    known = catalog(Hints(3, None))
    query = bind(SQL, known)
    program = with_other_row(query, compile_program(query, known, rules), known, rules)
    groups, other = program.releases
    assert (groups.withholds, other.withholds, other.keys) == (True, False, ())
    worlds.fill(ROWS, people(ROWS), [])
    moved = Removal(connection, worlds, other, {"i1_c0": shown}).check()
    most = max(each.share for each in moved)
    assert most > 0.9 if len(shown) < 4 else most == 0
