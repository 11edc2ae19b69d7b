"""The owner's verb for a draft: simulate."""

from __future__ import annotations

import os
from pathlib import Path  # noqa: TC003 -- typer reads annotations
from typing import TYPE_CHECKING, Annotated

import typer

from dpquery.cli import talk
from dpquery.cli.asking import DialectOption, EpsilonOption, read_epsilon, read_sql
from dpquery.cli.options import (
    AnalystOption,
    ColourOption,
    FormatOption,
    OutputOption,
    PolicyOption,
    analyst_name,
    policy_path,
    target,
)
from dpquery.cli.render import PEOPLE, Sheet
from dpquery.cli.talk import Colour, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dpquery.cli.render import Format
    from dpquery.results import Simulated

_SHOWN = 40
_TOO_MUCH = {"DPQ201", "DPQ202", "DPQ204"}
"""The codes of a budget that is used up, not of a limit of one query."""


def simulate(  # noqa: PLR0913 -- one parameter an option
    *,
    analyst: AnalystOption = None,
    files: Annotated[
        list[Path] | None,
        typer.Option(
            "-f",
            "--file",
            metavar="FILE",
            show_default=False,
            help="Queries with `;` between them; repeat it for more files, - is stdin.",
        ),
    ] = None,
    from_now: Annotated[
        bool,
        typer.Option(
            "--from-now", help="Begin with what is spent now, not with a fresh budget."
        ),
    ] = False,
    epsilon: EpsilonOption = None,
    dialect: DialectOption = "duckdb",
    policy: PolicyOption = None,
    form: FormatOption = None,
    output: OutputOption = None,
    color: ColourOption = Colour.AUTO,
) -> None:
    """
    Show what a policy would answer, refuse and charge, query by query.

    No row is read and the ledger is not written. A question that is asked twice is
    free the second time. analyst_spent and dataset_spent are what would be spent by
    then, in ε; the others' queries are not in it.
    """
    where = target(form, output, color)
    path = policy_path(policy)
    if not files:
        raise UsageError(
            "no queries are given", code="DPQ406", hint="add -f queries.sql, or -f -"
        )
    asked = [(file, read_sql(None, file)) for file in files]
    spend = read_epsilon(epsilon)
    name = analyst_name(analyst, policy)
    from dpquery.service.simulation import (  # noqa: PLC0415 -- --help needs no data
        Simulation,
        split,
    )

    parts = [(file, part) for file, text in asked for part in split(text)]
    if not parts:
        raise UsageError(
            "there is no query in the file",
            code="DPQ406",
            hint="write one SELECT or more, with `;` between them",
        )
    with where.open() as write, Simulation.of(path, from_now=from_now) as simulation:
        run = simulation.run(
            name, [part for _, part in parts], epsilon=spend, dialect=dialect
        )
        found = list(run)
        write(_sheet([file for file, _ in parts], found, where.form))
    _summary(found)


def _sheet(files: Sequence[Path], found: Sequence[Simulated], form: Format) -> Sheet:
    """Lay out one line a query; a table has no room for all columns."""
    wide = form not in PEOPLE
    columns = ["query", "where", "decision", "epsilon", "analyst_spent"]
    columns += ["dataset_spent", "code", "why" if wide else "query or why"]
    columns += ["delta", "expected", "sql"] if wide else []
    rows = []
    for file, each in zip(files, found, strict=True):
        why = each.message or (None if wide else _short(each.sql))
        row = [
            each.number,
            f"{os.fspath(file)}:{each.line}",
            each.decision,
            _rounded(each.price.epsilon),
            _rounded(each.analyst_spent.epsilon),
            _rounded(each.dataset_spent.epsilon),
            each.code,
            why,
        ]
        if wide:
            halves = [said for one in each.expected if (said := talk.plus_minus(one))]
            row += [each.price.delta, "; ".join(halves) or None, each.sql]
        rows.append(tuple(row))
    return Sheet(tuple(columns), rows)


def _rounded(epsilon: float) -> float:
    """Return an epsilon to read; the ledger adds up something else."""
    return float(f"{epsilon:.4g}")


def _short(sql: str) -> str:
    line = " ".join(sql.split())
    return line if len(line) <= _SHOWN else line[:_SHOWN] + " …"


def _summary(found: Sequence[Simulated]) -> None:
    """Say how many, and which one is the first that no longer fits."""
    kinds = ("answered", "free", "refused", "over budget")
    counts = {kind: sum(each.decision == kind for each in found) for kind in kinds}
    words = ", ".join(f"{count} {kind}" for kind, count in counts.items() if count)
    last = found[-1]
    talk.say(
        f"total   {words} · spent ε {talk.number(last.analyst_spent.epsilon)} of the "
        f"analyst's, ε {talk.number(last.dataset_spent.epsilon)} of the dataset's"
    )
    first = next((each for each in found if each.code in _TOO_MUCH), None)
    if first is not None:
        talk.say(f"note    query {first.number} is the first that no longer fits")
