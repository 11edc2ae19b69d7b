"""
What privacy costs in time: ten TPC-H queries through dpquery and on DuckDB alone.

``python -m benchmarks.speed`` generates the data once (``tpchgen-cli``, the extra
``bench``) and prints a table of medians. The privacy unit is the customer. The plain
query has the joins that lead to the unit as well, the same threads and the same
memory; its time is the least that any answer about customers can take.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import geometric_mean, median
from typing import TYPE_CHECKING, Any
from unittest import mock

import duckdb

from benchmarks.tpch_data import CACHE, generate, policy_on
from dpquery.engines import duckdb as engine
from dpquery.engines.statement_check import check_statement
from dpquery.service import Service

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from dpquery.service import Session

HERE = Path(__file__).parent
LIMITS: dict[str, str | bool | int | float | list[str]] = {
    "memory_limit": "4GB",
    "threads": 2,
}
"""As in ``tpch.yaml``."""

TO_THE_UNIT = " JOIN orders AS o ON l.l_orderkey = o.o_orderkey"
"""The join that dpquery adds by itself to a query of line items."""


@dataclass(frozen=True, slots=True)
class Question:
    """One query, with ``{unit}`` where the plain query has to join the unit."""

    name: str
    text: str

    @property
    def sql(self) -> str:
        """The query as an analyst writes it."""
        return self.text.replace("{unit}", "")

    @property
    def plain(self) -> str:
        """The query for DuckDB alone."""
        return self.text.replace("{unit}", TO_THE_UNIT)


QUESTIONS = (
    Question(
        "pricing summary (Q1)",
        """
        SELECT l.l_returnflag, l.l_linestatus, SUM(l.l_quantity) AS quantity,
          SUM(l.l_extendedprice) AS base_price,
          SUM(l.l_extendedprice * (1 - l.l_discount)) AS price,
          AVG(l.l_quantity) AS mean_quantity, AVG(l.l_discount) AS mean_discount,
          COUNT(*) AS lines
        FROM lineitem AS l{unit}
        WHERE l.l_shipdate <= DATE '1998-09-02'
        GROUP BY l.l_returnflag, l.l_linestatus
        ORDER BY l.l_returnflag, l.l_linestatus
        """,
    ),
    Question(
        "forecast revenue (Q6)",
        """
        SELECT SUM(l.l_extendedprice * l.l_discount) AS revenue
        FROM lineitem AS l{unit}
        WHERE l.l_shipdate BETWEEN DATE '1994-01-01' AND DATE '1994-12-31'
          AND l.l_discount BETWEEN 0.05 AND 0.07 AND l.l_quantity < 24
        """,
    ),
    Question(
        "orders by month",
        """
        SELECT date_trunc('month', o.o_orderdate) AS month, COUNT(*) AS orders
        FROM orders AS o
        GROUP BY date_trunc('month', o.o_orderdate)
        ORDER BY month
        """,
    ),
    Question(
        "revenue by nation (Q5)",
        """
        SELECT n.n_name, SUM(l.l_extendedprice * (1 - l.l_discount)) AS revenue
        FROM lineitem AS l
        JOIN orders AS o ON l.l_orderkey = o.o_orderkey
        JOIN customer AS c ON o.o_custkey = c.c_custkey
        JOIN nation AS n ON c.c_nationkey = n.n_nationkey
        WHERE o.o_orderdate BETWEEN DATE '1994-01-01' AND DATE '1994-12-31'
        GROUP BY n.n_name
        ORDER BY revenue DESC
        """,
    ),
    Question(
        "ship mode by quarter",
        """
        SELECT l.l_shipmode, date_trunc('quarter', l.l_shipdate) AS quarter,
          COUNT(*) AS lines
        FROM lineitem AS l{unit}
        GROUP BY l.l_shipmode, date_trunc('quarter', l.l_shipdate)
        ORDER BY l.l_shipmode, quarter
        """,
    ),
    Question(
        "urgent lines by mode (Q12)",
        """
        SELECT l.l_shipmode,
          SUM(CASE WHEN o.o_orderpriority IN ('1-URGENT', '2-HIGH')
            THEN 1 ELSE 0 END) AS high,
          SUM(CASE WHEN o.o_orderpriority IN ('1-URGENT', '2-HIGH')
            THEN 0 ELSE 1 END) AS low
        FROM lineitem AS l
        JOIN orders AS o ON l.l_orderkey = o.o_orderkey
        WHERE l.l_commitdate < l.l_receiptdate AND l.l_shipdate < l.l_commitdate
          AND l.l_receiptdate BETWEEN DATE '1994-01-01' AND DATE '1994-12-31'
        GROUP BY l.l_shipmode
        ORDER BY l.l_shipmode
        """,
    ),
    Question(
        "revenue by brand",
        """
        SELECT p.p_brand, SUM(l.l_extendedprice) AS revenue, COUNT(*) AS lines
        FROM lineitem AS l{unit}
        JOIN part AS p ON l.l_partkey = p.p_partkey
        GROUP BY p.p_brand
        ORDER BY revenue DESC
        LIMIT 10
        """,
    ),
    Question(
        "priority and customers (Q4)",
        """
        SELECT o.o_orderpriority, COUNT(*) AS orders,
          COUNT(DISTINCT o.o_custkey) AS customers, AVG(o.o_totalprice) AS mean_price
        FROM orders AS o
        GROUP BY o.o_orderpriority
        ORDER BY o.o_orderpriority
        """,
    ),
    Question(
        "mean order by segment",
        """
        SELECT c.c_mktsegment, COUNT(*) AS orders, AVG(o.o_totalprice) AS mean_price
        FROM orders AS o
        JOIN customer AS c ON o.o_custkey = c.c_custkey
        GROUP BY c.c_mktsegment
        ORDER BY c.c_mktsegment
        """,
    ),
    Question(
        "clerks, not public",
        """
        SELECT o.o_clerk, COUNT(DISTINCT o.o_custkey) AS customers
        FROM orders AS o
        GROUP BY o.o_clerk
        ORDER BY customers DESC
        """,
    ),
)


@dataclass(frozen=True, slots=True)
class Times:
    """Medians of one question, in milliseconds."""

    name: str
    plain: float
    whole: float
    """All that an analyst waits for."""
    engine: float
    """What DuckDB needs for the statement that bounds contributions."""
    ratio: float
    """``whole / plain``."""
    overhead: float
    """``whole - engine``, run by run: everything that dpquery does itself."""
    price: float
    """A dry run."""
    replay: float
    """The same question once more."""


class Stopwatch:
    """Adds up the time that DuckDB needs for dpquery's statements."""

    def __init__(self) -> None:
        self.seconds = 0.0

    @contextmanager
    def running(self) -> Iterator[None]:
        """Count ``execute`` of the engine, without its check of the statement."""
        execute, check = engine.DuckDBEngine.execute, check_statement
        counted = self._counted(execute, 1)
        inside = self._counted(check, -1)
        with (
            mock.patch.object(engine.DuckDBEngine, "execute", counted),
            mock.patch.object(engine, "check_statement", inside),
        ):
            yield

    def _counted(self, function: Callable[..., Any], sign: int) -> Callable[..., Any]:
        def timed(*arguments: object) -> object:
            start = time.perf_counter()
            try:
                return function(*arguments)
            finally:
                self.seconds += sign * (time.perf_counter() - start)

        return timed


@dataclass(slots=True)
class Samples:
    """The runs of one question, in seconds."""

    plain: list[float]
    whole: list[float]
    engine: list[float]
    price: list[float]
    replay: list[float]

    def times(self, name: str) -> Times:
        """Return the medians."""
        overhead = [a - b for a, b in zip(self.whole, self.engine, strict=True)]
        plain, whole = _ms(self.plain), _ms(self.whole)
        return Times(
            name=name,
            plain=plain,
            whole=whole,
            engine=_ms(self.engine),
            ratio=whole / plain,
            overhead=_ms(overhead),
            price=_ms(self.price),
            replay=_ms(self.replay),
        )


def _ms(seconds: Sequence[float]) -> float:
    return 1000 * median(seconds)


def _took(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def measure(database: Path, runs: int, questions: Sequence[Question]) -> list[Times]:
    """Return the times of *questions*: *runs* rounds, every question in each."""
    with tempfile.TemporaryDirectory() as folder:
        policy = policy_on(HERE / "tpch.yaml", database, Path(folder))
        with duckdb.connect(config=LIMITS) as plain, Service.open(policy) as service:
            plain.execute(f"ATTACH '{database}' AS tpch (READ_ONLY)")
            plain.execute("USE tpch")
            return _rounds(plain, service.session("alice"), runs, questions)


def _rounds(
    plain: duckdb.DuckDBPyConnection,
    session: Session,
    runs: int,
    questions: Sequence[Question],
) -> list[Times]:
    found = {question.name: Samples([], [], [], [], []) for question in questions}
    epsilon = 0.2
    for run in range(runs + 1):
        for question in questions:
            # an ε that nobody asked with before, or the answer would be an old one
            epsilon += 1e-5
            samples = found[question.name]
            if run == 1:  # the first round warmed up
                samples = found[question.name] = Samples([], [], [], [], [])
            _run(plain, session, question, epsilon, samples)
    return [samples.times(name) for name, samples in found.items()]


def _run(
    plain: duckdb.DuckDBPyConnection,
    session: Session,
    question: Question,
    epsilon: float,
    samples: Samples,
) -> None:
    def ask() -> object:
        return session.query(question.sql, epsilon=epsilon)

    stopwatch = Stopwatch()
    samples.plain.append(_took(lambda: plain.execute(question.plain).fetchall()))
    samples.price.append(_took(lambda: session.price(question.sql, epsilon=epsilon)))
    with stopwatch.running():
        samples.whole.append(_took(ask))
    samples.engine.append(stopwatch.seconds)
    samples.replay.append(_took(ask))


def table(times: Sequence[Times]) -> str:
    """Return the times as text."""
    heads = ("plain", "dpquery", "ratio", "engine", "own", "dry run", "replay")
    lines = [f"{'milliseconds':<28}" + "".join(f"{head:>9}" for head in heads)]
    for each in times:
        cells = f"{each.plain:9.1f}{each.whole:9.1f}{each.ratio:9.2f}{each.engine:9.1f}"
        cells += f"{each.overhead:9.1f}{each.price:9.1f}{each.replay:9.1f}"
        lines.append(f"{each.name:<28}{cells}")
    lines.append(f"geometric mean of the ratios {mean_ratio(times):17.2f}")
    return "\n".join(lines)


def mean_ratio(times: Sequence[Times]) -> float:
    """Return the geometric mean of the ratios."""
    return geometric_mean([each.ratio for each in times])


def main(arguments: Sequence[str] | None = None) -> None:
    """Generate, measure and print."""
    parser = argparse.ArgumentParser(prog="benchmarks.speed", description=__doc__)
    parser.add_argument("--scale", type=float, default=1.0, help="TPC-H scale factor")
    parser.add_argument("--runs", type=int, default=5, help="runs per query")
    parser.add_argument("--cache", type=Path, default=CACHE)
    parser.add_argument("--json", action="store_true", help="print JSON, no table")
    options = parser.parse_args(arguments)
    if options.runs < 1:
        parser.error("--runs is at least 1")
    times = measure(generate(options.scale, options.cache), options.runs, QUESTIONS)
    if options.json:
        report = {
            "scale": options.scale,
            "runs": options.runs,
            "mean_ratio": mean_ratio(times),
            "queries": [asdict(each) for each in times],
        }
        print(json.dumps(report, indent=2))
    else:
        print(table(times))


if __name__ == "__main__":
    main()
