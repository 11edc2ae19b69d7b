"""One line of the benchmark: everybody's answers to it, and their scores."""

from __future__ import annotations

import math
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.accuracy import own, peers
from benchmarks.accuracy.cells import Cells, cells
from benchmarks.accuracy.data import Exact, data
from benchmarks.accuracy.lines import Kind, Line
from benchmarks.accuracy.norm import best_norm
from benchmarks.accuracy.scores import Result, Score, score
from benchmarks.accuracy.truncation import (
    Best,
    Law,
    best,
    best_distinct,
    best_one_count,
    best_rows,
)

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping, Sequence

    import duckdb

    from benchmarks.accuracy.terms import Terms

ORACLES = tuple(Law)
TOOLS = ("smartnoise", "opendp")
NO_WAY = "truncation with noise has no such aggregate"


@dataclass(frozen=True, slots=True)
class Exactly:
    """A line with all that is exact about it."""

    line: Line
    terms: Terms
    connection: duckdb.DuckDBPyConnection
    truth: Mapping[str, tuple[float, ...]]
    cells: Cells

    def tuned(self, law: Law) -> list[Best | None]:
        """Return the best bounds of every column."""
        line, terms = self.line, self.terms
        if line.measures[0].kind is Kind.DISTINCT:
            only = self.truth["all"][0]
            return [best_distinct(self.connection, line, law, terms, only)]
        places = range(len(line.measures))
        return [best(self.cells, line, at, law, terms) for at in places]

    def together(self, tuned: Sequence[Best | None]) -> Score | str:
        """Return the score of the best bounds of all columns."""
        found = [each for each in tuned if each is not None]
        if len(found) < len(tuned):
            return NO_WAY
        count, columns = len(found), zip(*self.truth.values(), strict=True)
        sizes = [sum(x * x for x in column) / len(self.truth) for column in columns]
        if count == 1:
            sizes = [1.0]
        pairs = list(zip(found, sizes, strict=True))
        square = sum(each.mean_square / size for each, size in pairs) / count
        bias = sum(each.bias**2 / size for each, size in pairs) / count
        return Score(math.sqrt(square), found[0].released, math.sqrt(bias))

    def floor(self) -> Score | str:
        """Return what the best norm clip would give: for dpquery, and no peer."""
        places = range(len(self.line.measures))
        return self.together(
            [best_norm(self.cells, self.line, at, self.terms) for at in places]
        )

    def rows_of_a_unit(self) -> int:
        """Return the best bound on a unit's rows, for SmartNoise."""
        if self.line.measures[0].kind is Kind.DISTINCT:
            (found,) = self.tuned(Law.BASIC)
            return 1 if found is None else round(found.bound)
        return best_rows(self.cells, self.line, self.terms)

    def for_opendp(self) -> tuple[Law, Best]:
        """Return the better law of noise, and the best bounds with it."""
        found = []
        one_column = len(self.line.measures) == 1
        for law in (Law.GAUSSIAN, Law.BASIC):
            tuned = self.tuned(law)[0] if one_column and self.line.public else None
            if tuned is None:
                tuned = best_one_count(self.cells, self.line, law, self.terms)
            found.append((law, tuned))
        return min(found, key=lambda pair: pair[1].mean_square)


def run(line: Line, terms: Terms, options: argparse.Namespace) -> Result:
    """Return the scores of one line."""
    of = data(line.data, options.scale, options.cache)
    exact = Exact(of)
    try:
        truth = exact.answer(line)
        connection = exact.connection
        known = Exactly(line, terms, connection, truth, cells(connection, line))
        scores: dict[str, Score | str] = {
            law.value: known.together(known.tuned(law)) for law in ORACLES
        }
        floor = known.floor()
        if not options.no_peers:
            scores |= _tools(known, options)
    finally:
        exact.connection.close()
    answers = own.answers(
        of, line, terms, options.trials, options.profile, own=not options.of_tables
    )
    reached = score(truth, answers)
    return Result(line.name, line.public, len(truth), reached, scores, floor)


def _tools(known: Exactly, options: argparse.Namespace) -> dict[str, Score | str]:
    """Return the scores of the peers that are tools."""
    asked = peers.Asked(known.line, known.terms, known.truth, options.peer_trials)
    cache, connection = options.cache, known.connection
    most = known.rows_of_a_unit()
    start = time.monotonic()
    first = peers.smartnoise(asked, connection, most, cache)
    middle = time.monotonic()
    law, tuned = known.for_opendp()
    second = peers.opendp(asked, connection, law, tuned, cache)
    end = time.monotonic()
    print(
        f"  smartnoise {middle - start:.0f} s, {most} rows a unit; opendp "
        f"{end - middle:.0f} s, {law}, {tuned.groups} groups of {tuned.bound:.6g}",
        file=sys.stderr,
    )
    return dict(zip(TOOLS, (first, second), strict=True))
