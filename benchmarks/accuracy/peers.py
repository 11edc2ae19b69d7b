"""
The peers that are tools: SmartNoise SQL and OpenDP's Polars route.

Each has an environment of its own, made on first use in the cache, for they pin what we
do not. What they get is the line's flat rows, and the best bounds for the exact data:

* SmartNoise bounds the rows of a unit (``max_ids``), and values by public bounds;
* OpenDP is given k groups a unit and c rows, or one sum, in each, as truncation is.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.accuracy.lines import Kind
from benchmarks.accuracy.scores import Score, score
from benchmarks.accuracy.truncation import Law

if TYPE_CHECKING:
    from collections.abc import Mapping

    import duckdb

    from benchmarks.accuracy.lines import Line
    from benchmarks.accuracy.terms import Terms
    from benchmarks.accuracy.truncation import Best

HERE = Path(__file__).parent
MANY = 2_000
"""Groups beyond which peers answer a few times only."""
FEW = 3
PACKAGES = {
    # SmartNoise's sampling is an ORDER BY RANDOM() in a window: newer DuckDBs refuse it
    "smartnoise": ("smartnoise-sql==1.0.10", "duckdb==1.2.2"),
    "opendp": ("opendp[polars]==0.16.0",),
}
SECONDS = 900
"""No peer is waited for longer, for one line."""


class NotRun(Exception):
    """Why a peer gives no answer."""


@dataclass(frozen=True, slots=True)
class Peer:
    """One tool in its environment."""

    name: str
    python: Path

    @classmethod
    def installed(cls, name: str, cache: Path) -> Peer:
        """
        Return the peer called *name*; its environment is made once.

        Raises:
            NotRun: it cannot be installed.
        """
        folder = cache / "peers" / name
        python = folder / "bin" / "python"
        done = folder / "installed"
        if done.exists():
            return cls(name, python)
        print(f"installing {name} in {folder}", file=sys.stderr)
        _run([sys.executable, "-m", "venv", str(folder)])
        install = [str(python), "-m", "pip", "install", "--quiet", *PACKAGES[name]]
        _run(install)
        done.touch()
        return cls(name, python)

    def answers(self, job: Mapping[str, Any]) -> list[dict[str, tuple[float, ...]]]:
        """
        Return the answers to *job*, by key.

        Raises:
            NotRun: the query fails.
        """
        script = HERE / f"peer_{self.name}.py"
        text = _run([str(self.python), str(script)], json.dumps(job))
        found = json.loads(text)["answers"]
        return [
            {key: tuple(_number(x) for x in row) for key, row in each.items()}
            for each in found
        ]


def _number(cell: float | None) -> float:
    return float("nan") if cell is None else float(cell)


def _run(command: list[str], given: str = "") -> str:
    """Return what *command* prints."""
    try:
        done = subprocess.run(  # noqa: S603 -- our own words
            command,
            input=given,
            capture_output=True,
            text=True,
            check=False,
            timeout=SECONDS,
        )
    except subprocess.TimeoutExpired:
        raise NotRun(f"no answer within {SECONDS} s") from None
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.strip()]
        raise NotRun(said[-1][:160] if said else "it failed")
    return done.stdout


@dataclass(frozen=True, slots=True)
class Asked:
    """What both peers are asked."""

    line: Line
    terms: Terms
    truth: Mapping[str, tuple[float, ...]]
    trials: int

    @property
    def job(self) -> dict[str, Any]:
        """What does not depend on the peer."""
        few = len(self.truth) > MANY
        return {
            "measures": [(m.kind, m.low, m.high) for m in self.line.measures],
            "keys": len(self.line.keys),
            "public": self.line.public,
            "trials": min(self.trials, FEW) if few else self.trials,
        }


def smartnoise(
    asked: Asked, connection: duckdb.DuckDBPyConnection, most: int, cache: Path
) -> Score | str:
    """Return SmartNoise's score with *most* rows a unit, or why there is none."""
    rows = (
        f"SELECT dense_rank() OVER (ORDER BY u) AS u, * EXCLUDE (u) "
        f"FROM ({asked.line.flat})"
    )
    terms = asked.terms
    budget = {
        "epsilon": terms.epsilon,
        "delta": terms.delta,
        "questions": terms.questions,
        "most": most,
    }
    return _scored("smartnoise", asked, connection, rows, budget, cache)


def opendp(
    asked: Asked,
    connection: duckdb.DuckDBPyConnection,
    law: Law,
    tuned: Best,
    cache: Path,
) -> Score | str:
    """Return OpenDP's score with the bounds of *tuned*, or why there is none."""
    line, terms = asked.line, asked.terms
    gaussian = law is Law.GAUSSIAN
    summed = len(line.measures) == 1 and line.measures[0].kind in (Kind.SUM, Kind.UNITS)
    each = 1 if summed else max(1, round(tuned.bound))
    budget: dict[str, Any] = {
        "law": "gaussian" if gaussian else "laplace",
        "rho": terms.rho,
        "epsilon": terms.epsilon_alone,
        "delta": terms.delta_of_groups if gaussian else terms.delta_alone,
        "groups": tuned.groups,
        "rows": each,
        "domain": list(asked.truth),
    }
    if summed and line.measures[0].kind is Kind.SUM:
        budget["measures"] = [("sum", 0.0, tuned.bound)]
    rows = _bounded(line, tuned.groups, each, summed=summed)
    return _scored("opendp", asked, connection, rows, budget, cache)


def _bounded(line: Line, groups: int, rows: int, *, summed: bool) -> str:
    """Return flat rows of which a unit has *groups* groups and *rows* in each."""
    if line.measures[0].kind is Kind.DISTINCT:
        return (
            f"SELECT u, g, v0 FROM (SELECT DISTINCT u, g, v0 FROM ({line.flat})) "
            f"QUALIFY row_number() OVER (PARTITION BY u ORDER BY hash(u, v0)) <= {rows}"
        )
    flat = f"({line.flat})"
    if summed:
        flat = f"(SELECT u, g, sum(v0) AS v0 FROM {flat} GROUP BY u, g)"
    return (
        f"SELECT * EXCLUDE (a, b) FROM (SELECT *, dense_rank() OVER (PARTITION BY u "
        f"ORDER BY hash(u, g), g) AS a, row_number() OVER (PARTITION BY u, g) AS b "
        f"FROM {flat}) WHERE a <= {groups} AND b <= {rows}"
    )


def _scored(
    name: str,
    asked: Asked,
    connection: duckdb.DuckDBPyConnection,
    rows: str,
    more: Mapping[str, Any],
    cache: Path,
) -> Score | str:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "flat.parquet"
        try:
            peer = Peer.installed(name, cache)
            connection.execute(f"COPY ({rows}) TO '{file}' (FORMAT parquet)")
            found = peer.answers({**asked.job, "parquet": str(file), **more})
        except NotRun as why:
            return str(why)
    return score(asked.truth, found)
