"""
Questions written by hand to break the claims: refused, or as private as any other.

Those that are answered are asked about random databases; what had once broken a claim
is marked with an asterisk. What is refused is refused before any row is read.
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dpquery.errors import QueryRefused
from dpquery.plan.program import BoundingMode
from dpquery.plan.rewrite import BoundingRules

from .choices import Choices
from .clinic import ROW, Hints, people
from .designs import Design, database, problem, row, visit
from .examples import DATABASE_BYTES, Asked, make_rows
from .questions import Question
from .removal import Removal

if TYPE_CHECKING:
    import duckdb

    from .worlds import Worlds

RULES = (
    BoundingRules(BoundingMode.NORM, 2, 2),
    BoundingRules(BoundingMode.TRUNCATE, 1, 1),
    BoundingRules(BoundingMode.NORM, 1, 1),
)
"""Each with a database of its own."""

FOLDER = Path(__file__).parent / "attacks"


def listed(name: str) -> list[str]:
    """Return the questions of a file, one a line, without remarks."""
    lines = (FOLDER / f"{name}.sql").read_text().split("\n")
    found = (line.partition("--")[0].strip().rstrip(";") for line in lines)
    return [sql for sql in found if sql]


def asked(sql: str, rules: BoundingRules, hints: Hints) -> Asked:
    return Asked(Question(sql, frozenset()), rules, hints, b"")


@pytest.mark.parametrize("sql", listed("refused"))
def test_refused(sql: str) -> None:
    with pytest.raises(QueryRefused):
        asked(sql, RULES[0], Hints(4, None)).program()


@pytest.mark.parametrize("sql", listed("answered"))
def test_answered(
    connection: duckdb.DuckDBPyConnection, worlds: Worlds, sql: str
) -> None:
    drawn = random.Random(sql)  # noqa: S311 -- the same in every run
    for rules in RULES:
        rows = make_rows(Choices(drawn.randbytes(DATABASE_BYTES)))
        sensors = [str(at) for at in range(len(rows[ROW]))]
        worlds.fill(rows, people(rows), sensors[:2])
        program = asked(sql, rules, Hints(3, None)).program()
        for step in program.releases:
            Removal(connection, worlds, step, {}).check()


def test_texts_of_nan(connection: duckdb.DuckDBPyConnection, worlds: Worlds) -> None:
    """DuckDB groups by the text of a NaN with a sign as if it were always another."""
    bills = [row("bills", person=who, amount="-nan") for who in ("1", "1", "2")]
    sql = "SELECT CAST(amount AS VARCHAR) AS k, COUNT(*) FROM bills GROUP BY k"
    of = Design(sql, database(bills=bills), hints=Hints(4, None))
    assert not problem(connection, worlds, of)


def test_sums_over_a_full_join_with_nothing(
    connection: duckdb.DuckDBPyConnection, worlds: Worlds
) -> None:
    """DuckDB takes such a join to have few rows, and the sum to be within the clip."""
    rows = database(
        visits=[visit(at, "1") for at in range(2, 12)],
        people=[row("people", id=who, region="south") for who in ("2", None)],
    )
    sql = (
        "SELECT CAST(FLOOR(v.cost + p.score) AS INTEGER) AS k, LOWER(p.region) AS r, "
        "SUM(v.visit, contribution_bounds_per_row => (0, 2)) "
        "FROM (SELECT code AS k, COUNT(*) AS m FROM visits GROUP BY 1) AS a "
        "RIGHT JOIN visits AS v ON v.code = a.k "
        "FULL JOIN people AS p ON v.person = p.id GROUP BY ALL"
    )
    worlds.fill(rows, people(rows), ["0"])
    of = asked(sql, RULES[0], Hints(2, 2))
    program = of.program()
    step, nothing = program.releases[-1], of.inputs(program)
    assert not any(nothing.values())
    assert Removal(connection, worlds, step, nothing).check()
