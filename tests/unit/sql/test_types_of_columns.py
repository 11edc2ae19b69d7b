"""Columns of every type that can be used, from the policy to the engine and back."""

from __future__ import annotations

from fractions import Fraction

import duckdb
import pytest

from dpquery.engines.base import Limits, Statement
from dpquery.engines.duckdb import DuckDBEngine
from dpquery.plan.program import BoundingMode
from dpquery.plan.rewrite import BoundingRules, compile_program
from dpquery.policy.build import build
from dpquery.policy.catalog import Catalog
from dpquery.policy.load import load
from dpquery.sql.lowering.lower import lower_release
from dpquery.sql.queries.bind import bind

POLICY = """\
version: 1
name: people
source: {duckdb: people.duckdb}
privacy_unit: person
tables:
  people:
    privacy_unit_column: pid
    key: pid
    columns:
      mood: {values: [happy, sad]}
      tags: {}
      pair: {}
      place: {}
      big: {bounds: [0, 1000]}
      huge: {bounds: [0, 1000]}
      opens: {}
      born: {bounds: [2024-01-01, 2024-12-31]}
      seen: {bounds: [2024-01-01, 2025-12-31]}
  visits:
    references: {pid: people.pid}
    columns: {stay: {bounds: [0, 9]}}
budget: {epsilon: 8, delta: 1e-6}
analysts: {alice: {epsilon: 3}}
"""
DATA = """
CREATE TYPE mood AS ENUM ('happy', 'sad');
CREATE TABLE people AS SELECT
    uuid() AS pid,
    (CASE WHEN i % 2 = 0 THEN 'happy' ELSE 'sad' END)::mood AS mood,
    [i, i % 3] AS tags,
    [i, NULL]::SMALLINT[2] AS pair,
    {'a': i, 'b c': {'d': 'x' || i, 'e': 1.5::DECIMAL(4, 2)}} AS place,
    i::UBIGINT + CASE WHEN i = 7 THEN 9223372036854775808 ELSE 0 END AS big,
    i::HUGEINT * CASE WHEN i = 8 THEN 1e30::HUGEINT ELSE 1 END AS huge,
    TIME '10:00' + to_minutes(i::INT) AS opens,
    DATE '2024-01-01' + i::INT AS born,
    TIMESTAMP '2024-01-01' + to_hours(30 * i) AS seen
FROM range(100) t(i);
CREATE TABLE visits AS SELECT pid, 3 AS stay FROM people;
"""
ANSWERS = {
    "COUNT(*) FROM people": 100,
    "COUNT(tags) FROM people": 100,
    "COUNT(*) FROM people WHERE mood = 'happy'": 50,
    "COUNT(*) FROM people WHERE mood LIKE 'h%' AND upper(mood) = 'HAPPY'": 50,
    "COUNT(*) FROM people WHERE pid = '00000000-0000-0000-0000-000000000000'": 0,
    "COUNT(*) FROM people WHERE length(pid) = 36": 100,
    "COUNT(DISTINCT p.pid) FROM people p JOIN visits v ON v.pid = p.pid": 100,
    "SUM(v.stay) FROM visits v": 300,
    "COUNT(big) FROM people": 99,
    "COUNT(huge) FROM people": 99,
    "SUM(big) FROM people": 99 * 50 - 7,
    "COUNT(*) FROM people WHERE tags[1] = 5 OR list_contains(tags, 7)": 2,
    "COUNT(*) FROM people WHERE pair[1] = 5 AND pair[2] IS NULL": 1,
    "SUM(place.a) FROM people WHERE place.a BETWEEN 1 AND 3": 6,
    "COUNT(*) FROM people WHERE place['b c'].d = 'x4' AND people.place.a = 4": 1,
    "SUM(place['b c'].e) FROM people WHERE place['b c'].e BETWEEN 0 AND 9": 150,
    "COUNT(*) FROM people WHERE opens < TIME '10:10:00'": 10,
    "COUNT(*) FROM people WHERE year(born) = 2024 AND born + 1 < '2024-01-06'": 4,
    "COUNT(*) FROM people WHERE seen - born > INTERVAL 1 DAY": 95,
    "SUM(date_diff('day', born, seen)) FROM people": sum(
        i * 30 // 24 - i for i in range(100)
    ),
}


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> DuckDBEngine:
    path = tmp_path_factory.mktemp("people") / "people.duckdb"
    with duckdb.connect(path) as database:
        database.execute(DATA)
    return DuckDBEngine.open(path, Limits(memory="300MB", threads=1, seconds=60))


@pytest.fixture(scope="module")
def catalog(engine: DuckDBEngine, tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    path = tmp_path_factory.mktemp("policy") / "policy.yaml"
    path.write_text(POLICY, encoding="utf-8")
    return build(load(path), engine.describe())


@pytest.mark.parametrize("asked", ANSWERS)
def test_the_engine_reads_it(
    engine: DuckDBEngine, catalog: Catalog, asked: str
) -> None:
    rules = BoundingRules(BoundingMode.NORM, norm=2, groups=8)
    program = compile_program(bind(f"SELECT {asked}", catalog), catalog, rules)
    (step,) = program.releases
    sql = lower_release(step)
    ((total, *_),) = engine.execute(
        Statement(sql.text, sql.tables, sql.functions)
    ).open()
    (moment, *_) = step.moments
    grid = getattr(getattr(moment.moment, "value", None), "grid", 1)
    assert Fraction(int(str(total)), moment.steps) * grid == ANSWERS[asked]
