"""
How far answers are from the truth: dpquery beside its peers, at equal (ε, δ).

``python -m benchmarks.accuracy`` prints the RMSE over all groups of the exact answer of
some twenty queries. A group that is withheld counts with its whole value. The peers:

* truncation to k groups of at most c each with Gaussian noise (zCDP, the same
  conversion), with Laplace noise, and with Laplace noise under basic composition (ε
  split over columns), all with the best k and c for the exact data: an oracle;
* SmartNoise SQL and OpenDP's Polars route, in environments that are made on first use
  (``--no-peers`` leaves them out).

Keys that are public to dpquery are public to all. See ``truncation``, ``peers``.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.accuracy.lines import LINES
from benchmarks.accuracy.report import as_json, diagnosis, table, verdicts
from benchmarks.accuracy.run import ORACLES, TOOLS, run
from benchmarks.accuracy.scores import mean_ratio
from benchmarks.accuracy.terms import Terms
from benchmarks.tpch_data import CACHE

if TYPE_CHECKING:
    from collections.abc import Sequence


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks.accuracy", description=__doc__)
    add = parser.add_argument
    add("--scale", type=float, default=1.0, help="TPC-H scale factor")
    add("--trials", type=int, default=20, help="answers of dpquery to each query")
    add("--peer-trials", type=int, default=20, help="answers of each tool")
    add("--epsilon", type=float, default=1.0)
    add("--delta", type=float, default=1e-6)
    add("--questions", type=int, default=1, help="questions that share ε and δ")
    add(
        "--profile",
        type=float,
        default=0.1,
        help="share of ρ for the profile; 0: the policy's hints, and no profile",
    )
    add("--of-tables", action="store_true", help="profile tables, not the query")
    add("--only", default="", help="queries whose name has this in it")
    add("--no-peers", action="store_true", help="oracles only; installs nothing")
    add("--diagnose", action="store_true", help="say where dpquery's error is from")
    add("--cache", type=Path, default=CACHE)
    add("--json", action="store_true", help="print JSON, no table")
    options = parser.parse_args(arguments)
    if options.trials < 1 or options.questions < 1:
        parser.error("--trials and --questions are at least 1")
    return options


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    options = _options(arguments)
    terms = Terms(options.epsilon, options.delta, options.questions)
    lines = [line for line in LINES if options.only in line.name]
    peers = [law.value for law in ORACLES]
    results = []
    for line in lines:
        print(line.name, file=sys.stderr)
        results.append(run(line, terms, options))
    peers += [name for name in TOOLS if not options.no_peers]
    if options.json:
        report = {
            "terms": asdict(terms),
            "scale": options.scale,
            "trials": options.trials,
            "mean_ratio": mean_ratio(results),
            "verdicts": verdicts(results),
            "lines": as_json(results),
        }
        print(json.dumps(report, indent=2))
        return
    print(table(results, peers))
    if options.diagnose:
        print()
        print(diagnosis(results))


if __name__ == "__main__":
    main()
