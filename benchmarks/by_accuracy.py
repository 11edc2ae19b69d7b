"""
Ask by accuracy: how often the target holds, and what it costs beside the least price.

``python -m benchmarks.by_accuracy``: a table of people, one row each, is asked for
counts, sums, averages, variances, correlations and quotients, in all and by group,
within an amount and within 5 %. Every run is an analyst of their own, under a policy
that shares nothing between analysts.
Printed are, for each question,

* the part of all released values whose error is within the target; 95 % are meant to
  be;
* the price over the clairvoyant one: the ρ at which the worst group's interval is just
  the target, for somebody who knew the answer (theory.md 4.6); median, and ninetieth
  percentile of the runs;
* the rounds, in the median.

The last line is of all questions together. Where the target is met in closed form, 95 %
of the values are within it, no more: of 500 runs a single question may show 94.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from dpquery.service import Service

if TYPE_CHECKING:
    from dpquery.results import Release

PEOPLE = 20_000
DATA = f"""
CREATE TABLE people AS SELECT
    i AS id,
    CASE WHEN i % 20 < 11 THEN 'a' WHEN i % 20 < 18 THEN 'b' ELSE 'c' END AS kind,
    18 + (i * 7919) % 70 AS age, ((i * 104729) % 1000) / 10.0 AS cost
FROM range({PEOPLE}) AS r(i)
"""
POLICY = """\
version: 1
name: people
source: {{duckdb: people.duckdb}}
privacy_unit: person
tables:
  people:
    privacy_unit_column: id
    key: id
    columns:
      kind: {{values: [a, b, c]}}
      age: {{bounds: [0, 120]}}
      cost: {{bounds: [0, 100]}}
budget: {{epsilon: 1e8, delta: 1e-6}}
query: {{epsilon: 5, max_epsilon: 1e4}}
sharing: isolated
analysts: {{{analysts}}}
"""


@dataclass(frozen=True)
class Case:
    """One question; its last column is the noisy one."""

    name: str
    sql: str
    within: float | str

    @property
    def relative(self) -> bool:
        """Whether the target is a part of the value."""
        return isinstance(self.within, str)

    @property
    def part(self) -> float:
        """The target, as a part of the value or as an amount."""
        if isinstance(self.within, str):
            return float(self.within.removesuffix("%")) / 100
        return float(self.within)


CASES = (
    Case("count ± 100", "SELECT COUNT(*) FROM people", 100),
    Case(
        "sum ± 5000 by kind", "SELECT kind, SUM(cost) FROM people GROUP BY kind", 5000
    ),
    Case("average ± 2", "SELECT AVG(age) FROM people", 2),
    Case("count 5 %", "SELECT COUNT(*) FROM people WHERE age < 20", "5%"),
    Case("sum 5 %", "SELECT SUM(cost) FROM people WHERE age < 40", "5%"),
    Case("count 5 % by kind", "SELECT kind, COUNT(*) FROM people GROUP BY kind", "5%"),
    Case("average 5 %", "SELECT AVG(cost) FROM people WHERE age < 30", "5%"),
    Case(
        "average 5 % by kind", "SELECT kind, AVG(age) FROM people GROUP BY kind", "5%"
    ),
    Case("deviation ± 1", "SELECT STDDEV(age) FROM people", 1),
    Case("variance 5 %", "SELECT VAR_POP(cost) FROM people", "5%"),
    Case(
        "variance 5 % by kind",
        "SELECT kind, VAR_POP(age) FROM people GROUP BY kind",
        "5%",
    ),
    Case(
        "correlation ± 0.1", "SELECT CORR(age, cost) FROM people WHERE age < cost", 0.1
    ),
    Case(
        "slope 5 %", "SELECT REGR_SLOPE(age, cost) FROM people WHERE age < cost", "5%"
    ),
    Case("quotient 5 %", "SELECT SUM(cost) / COUNT(*) FROM people", "5%"),
)


@dataclass(frozen=True)
class Outcome:
    """What became of all runs of a case."""

    within: float
    """The part of the values that are within the target."""
    costs: tuple[float, ...]
    """Price over the clairvoyant price, sorted."""
    rounds: float


def truth_of(folder: Path, case: Case) -> dict[object, float]:
    """Return what the question's answer is without noise, by group."""
    with duckdb.connect(str(folder / "people.duckdb"), read_only=True) as database:
        return _values(database.execute(case.sql).fetchall())


def _values(rows: list[tuple[object, ...]]) -> dict[object, float]:
    return {row[:-1]: float(str(row[-1])) for row in rows}


def clairvoyant(release: Release, truth: dict[object, float], case: Case) -> float:
    """Return the ρ at which the worst interval is the target; σ² is inverse to ρ."""
    (bars,) = release.intervals().values()
    worst = 0.0
    for row, bar in zip(release.rows, bars, strict=True):
        if bar is None:
            raise ValueError("every value has an interval")
        target = case.part * (abs(truth[row[:-1]]) if case.relative else 1.0)
        worst = max(worst, (bar.high - bar.low) / 2 / target)
    return release.price.rho * worst**2


def measure(case: Case, runs: int) -> Outcome:
    """Ask a question by as many analysts as there are runs, and one who knows."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with duckdb.connect(str(folder / "people.duckdb")) as database:
            database.execute(DATA)
        names = ", ".join(f"a{i}: {{epsilon: 1e8}}" for i in range(runs + 1))
        path = folder / "people.yaml"
        path.write_text(POLICY.format(analysts=names), encoding="utf-8")
        truth = truth_of(folder, case)
        with Service.open(path) as service:
            known = service.session(f"a{runs}").query(case.sql)
            least = clairvoyant(known, truth, case)
            return _runs(service, case, truth, least, runs)


def _runs(
    service: Service, case: Case, truth: dict[object, float], least: float, runs: int
) -> Outcome:
    hits, costs, rounds = [], [], []
    for run in range(runs):
        session = service.session(f"a{run}")
        release = session.query(case.sql, within=case.within)
        for group, value in _values(release.rows).items():
            target = case.part * (abs(truth[group]) if case.relative else 1.0)
            hits.append(abs(value - truth[group]) <= target)
        costs.append(release.price.rho / least)
        rounds.append(len(session.history()))
    return Outcome(
        statistics.fmean(hits), tuple(sorted(costs)), statistics.median(rounds)
    )


def main() -> None:
    """Print one line a question, and one of all."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--runs", type=int, default=500)
    runs = parser.parse_args().runs
    print(f"{'':22}within   cost: median   90 %   rounds     ({runs} runs)")
    every = []
    for case in CASES:
        every.append(measure(case, runs))
        _print(case.name, every[-1])
    costs = tuple(sorted(cost for each in every for cost in each.costs))
    within = statistics.fmean(each.within for each in every)
    rounds = statistics.median(each.rounds for each in every)
    _print("all of them", Outcome(within, costs, rounds))


def _print(name: str, found: Outcome) -> None:
    late = found.costs[int(0.9 * (len(found.costs) - 1))]
    median = statistics.median(found.costs)
    print(
        f"{name:22}{found.within:6.1%}{median:14.2f}{late:8.2f}{found.rounds:8.0f}",
        flush=True,
    )


if __name__ == "__main__":
    main()
