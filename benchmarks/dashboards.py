"""
Ten analysts look at one dashboard: what the release store saves of the budget.

``python -m benchmarks.dashboards``: each analyst asks 60 questions about 25 marginals
of five columns (all of one, two and three columns), the popular ones more often (Zipf),
each with a standard deviation of 5, 10 or 20 rows: the workload of theory.md 5.1.
Printed is the ρ that the dataset's ledger is charged

* without a store: each question is answered afresh,
* with exact replay: the same question with the same ε is answered once,
* with top-up: a better answer pays the difference to what is known,
* with roll-ups: sums of finer groups count too; this one through the library, the
  others by the same planner with a part of what it knows.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import tempfile
from dataclasses import dataclass
from pathlib import Path

import duckdb

from dpquery.accounting.accountant import epsilon_of
from dpquery.ledger.records import DATASET
from dpquery.service import Service

SIZES = {"region": 12, "age_group": 6, "sex": 2, "ward": 8, "year": 5}
"""Columns of the dashboard, and how many values they have."""
ANALYSTS, QUESTIONS = 10, 60
DEVIATIONS = (5.0, 10.0, 20.0)
PEOPLE = 20_000
EPSILON, DELTA = 200.0, 1e-6
"""Of a budget in which everything fits: what is compared is what is spent."""


@dataclass(frozen=True)
class Question:
    """One question of one analyst."""

    analyst: str
    columns: tuple[str, ...]
    deviation: float

    @property
    def sql(self) -> str:
        """The question."""
        names = ", ".join(self.columns)
        return f"SELECT {names}, COUNT(*) AS n FROM people GROUP BY {names}"

    @property
    def rho(self) -> float:
        """Its price alone: a count of people changes by one, ρ = 1/(2σ²)."""
        return 1 / (2 * self.deviation**2)


def workload(seed: int) -> list[Question]:
    """Return the questions in the order in which they are asked."""
    rng = random.Random(seed)  # noqa: S311 -- a workload, no secret
    marginals = [each for n in (1, 2, 3) for each in itertools.combinations(SIZES, n)]
    rng.shuffle(marginals)
    popularity = [1 / (rank + 1) for rank in range(len(marginals))]
    asked = [
        Question(f"a{who}", rng.choices(marginals, popularity)[0], sd)
        for who in range(ANALYSTS)
        for sd in rng.choices(DEVIATIONS, k=QUESTIONS)
    ]
    rng.shuffle(asked)
    return asked


def make(folder: Path) -> Path:
    """Make the data and the policy; return the policy."""
    columns = ", ".join(
        f"'{name[0]}' || (hash(i, '{name}') % {size}) AS {name}"
        for name, size in SIZES.items()
    )
    with duckdb.connect(folder / "people.duckdb") as database:
        database.execute(
            f"CREATE TABLE people (id BIGINT, {' VARCHAR NOT NULL, '.join(SIZES)} "
            "VARCHAR NOT NULL)"
        )
        database.execute(
            f"INSERT INTO people SELECT i, {columns} FROM range({PEOPLE}) AS r(i)"
        )
    values = {
        name: ", ".join(f"{name[0]}{at}" for at in range(size))
        for name, size in SIZES.items()
    }
    listed = "\n".join(f"      {n}: {{values: [{each}]}}" for n, each in values.items())
    analysts = "\n".join(f"  a{who}: {{epsilon: {EPSILON}}}" for who in range(ANALYSTS))
    policy = folder / "dashboard.yaml"
    policy.write_text(
        f"""version: 1
name: dashboard
source: {{duckdb: people.duckdb}}
privacy_unit: person
tables:
  people:
    privacy_unit_column: id
    key: id
    columns:
{listed}
budget: {{epsilon: {EPSILON}, delta: {DELTA}}}
query: {{max_epsilon: {EPSILON}}}
analysts:
{analysts}
"""
    )
    return policy


def spent_through_library(questions: list[Question]) -> float:
    """Return the ρ that a service with the store charges to the dataset."""
    with (
        tempfile.TemporaryDirectory() as name,
        Service.open(make(Path(name))) as service,
    ):
        sessions = {q.analyst: service.session(q.analyst) for q in questions}
        for each in questions:
            epsilon = epsilon_of(each.rho, DELTA / 2)
            sessions[each.analyst].query(each.sql, epsilon=epsilon)
        return service.backends.ledger.spent(DATASET).rho


def spent_by_rules(questions: list[Question]) -> dict[str, float]:
    """Return the ρ without a store, with exact replay, and with top-up."""
    exact: set[tuple[tuple[str, ...], float]] = set()
    best: dict[tuple[str, ...], float] = {}
    rho = {"without a store": 0.0, "with exact replay": 0.0, "with top-up": 0.0}
    for each in questions:
        rho["without a store"] += each.rho
        if (each.columns, each.deviation) not in exact:
            rho["with exact replay"] += each.rho
            exact.add((each.columns, each.deviation))
        known = best.get(each.columns, 0.0)
        rho["with top-up"] += max(0.0, each.rho - known)
        best[each.columns] = max(known, each.rho)
    return rho


def main() -> None:
    """Print what each way costs."""
    parser = argparse.ArgumentParser(prog="benchmarks.dashboards", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="print JSON, no table")
    options = parser.parse_args()
    questions = workload(options.seed)
    rho = spent_by_rules(questions)
    rho["with roll-ups"] = spent_through_library(questions)
    if options.json:
        print(json.dumps(rho))
        return
    print(f"{len(questions)} questions of {ANALYSTS} analysts")
    for name, each in rho.items():
        less = rho["without a store"] / each
        print(f"{name:<20} ρ {each:8.4f}   {less:6.1f} times less")


if __name__ == "__main__":
    main()
