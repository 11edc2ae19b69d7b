"""
The 22 queries of TPC-H, with customers protected and again with suppliers.

``python -m benchmarks.sql.tpch`` asks each in its own text and prints which are
answered, and why the others are refused. Every answer is compared with DuckDB's: at
ε = 1e8, with bounds that bind nobody, the two are equal, but that groups which the
policy or a public table lists are shown with zeros when no row is in them.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from dataclasses import asdict, dataclass
from decimal import Decimal
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from benchmarks.tpch_data import CACHE, generate, policy_on
from dpquery.errors import DPQueryError
from dpquery.service import Service

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dpquery.results import Release
    from dpquery.service import Session

HERE = Path(__file__).parent
UNITS = ("customer", "supplier")
QUERIES = range(1, 23)
EPSILON = 1e8
"""Noise is next to nothing at this."""
RELATIVE, ABSOLUTE = 1e-4, 1.0
"""What noise may change in cells that have no interval."""
NUMBERS = (int, float, Decimal)
ROW_LEVEL = {"customer": {3, 10, 18}, "supplier": {2, 15, 20, 21}}
"""Queries whose answers are rows about single customers, or suppliers: 3 and 18 list
customers' orders, 10 lists customers; 2, 15, 20 and 21 list suppliers."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one query."""

    unit: str
    number: int
    answered: bool
    equal: bool
    """Whether the answer is DuckDB's."""
    reason: str
    """Why it was refused, or how it was answered."""


def query(number: int) -> str:
    """Return the text of one query, as TPC-H has it."""
    text = (HERE / "queries" / f"q{number:02}.sql").read_text(encoding="utf-8")
    return text.strip().removesuffix(";")


def ask(
    session: Session, plain: duckdb.DuckDBPyConnection, unit: str, number: int
) -> Outcome:
    """Return what becomes of one query."""
    sql = query(number)
    try:
        answer = session.query(sql, epsilon=EPSILON)
    except DPQueryError as error:
        reason = f"{error.code} {error.message}"
        return Outcome(unit, number, answered=False, equal=False, reason=reason)
    rows = plain.execute(sql).fetchall()
    how = _told(answer)
    same = agrees(answer, rows)
    return Outcome(unit, number, answered=True, equal=same, reason=how)


def _told(answer: Release) -> str:
    lines = answer.explanation.splitlines()
    releases = sum(line.startswith("release ") for line in lines)
    if not releases:
        return "public tables only, at no price"
    return f"{releases} release{'s' * (releases > 1)}, {len(answer.rows)} rows"


def agrees(answer: Release, plain: Sequence[tuple[Any, ...]]) -> bool:
    """Return whether every plain row is there, and nothing else but empty groups."""
    far = _tolerances(answer)
    left = list(zip(answer.rows, far, strict=True))
    for row in plain:
        found = next((each for each in left if _equal(*each, row)), None)
        if found is None:
            return False
        left.remove(found)
    noisy = [answer.columns.index(name) for name in answer.noisy]
    return all(_close(row[at] or 0, 0, most[at]) for row, most in left for at in noisy)


def _tolerances(answer: Release) -> list[list[float]]:
    """Return what noise may change in each cell: two 95 % intervals, where known."""
    bars = answer.intervals(0.95)
    found = []
    for at, row in enumerate(answer.rows):
        wide = []
        for name, cell in zip(answer.columns, row, strict=True):
            bar = bars[name][at] if name in bars else None
            noise = 0.0 if bar is None else 2 * (bar.high - bar.low)
            size = abs(float(cell)) if isinstance(cell, NUMBERS) else 0.0
            wide.append(ABSOLUTE + RELATIVE * size + noise)
        found.append(wide)
    return found


def _equal(ours: Sequence[Any], far: Sequence[float], plain: Sequence[Any]) -> bool:
    return all(map(_close, ours, plain, far))


def _close(ours: object, plain: object, far: float) -> bool:
    if isinstance(ours, NUMBERS) and isinstance(plain, NUMBERS):
        return abs(float(ours) - float(plain)) <= far
    return ours == plain


def outcomes(database: Path, units: Sequence[str]) -> Iterator[Outcome]:
    """Yield what becomes of every query."""
    with duckdb.connect() as plain:
        plain.execute(f"ATTACH '{database}' AS tpch (READ_ONLY)")
        plain.execute("USE tpch")
        for unit, number in product(units, QUERIES):
            with tempfile.TemporaryDirectory() as folder:  # a budget for each
                policy = policy_on(HERE / f"{unit}.yaml", database, Path(folder))
                with Service.open(policy) as service:
                    yield ask(service.session("alice"), plain, unit, number)


def line(outcome: Outcome) -> str:
    """Return one line of the table."""
    verdict = "refused"
    if outcome.answered:
        verdict = "answered" if outcome.equal else "DIFFERS"
    elif outcome.number in ROW_LEVEL[outcome.unit]:
        verdict = "row-level"
    return f"{outcome.unit:<10}Q{outcome.number:02}  {verdict:<10} {outcome.reason}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Generate, ask, compare and print."""
    parser = argparse.ArgumentParser(
        prog="benchmarks.sql.tpch", description=str(__doc__).strip().splitlines()[0]
    )
    parser.add_argument("--scale", type=float, default=0.01, help="TPC-H scale factor")
    parser.add_argument("--unit", choices=UNITS, help="protect these only")
    parser.add_argument("--cache", type=Path, default=CACHE)
    parser.add_argument("--json", action="store_true", help="print JSON, no table")
    options = parser.parse_args(arguments)
    units = UNITS if options.unit is None else (options.unit,)
    found = []
    for outcome in outcomes(generate(options.scale, options.cache), units):
        found.append(outcome)
        if not options.json:
            print(line(outcome), flush=True)
    if options.json:
        print(json.dumps([asdict(each) for each in found], indent=2))
    wrong = [
        each
        for each in found
        if not each.equal and each.number not in ROW_LEVEL[each.unit]
    ]
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
