"""The verbs that ask: query, and price, which only asks what query would cost."""

from __future__ import annotations

import json
import math
from pathlib import Path  # noqa: TC003 -- typer reads annotations
from typing import TYPE_CHECKING, Annotated

import typer

from dpquery.cli.asking import (
    Bars,
    ConfidenceOption,
    DialectOption,
    EpsilonOption,
    ExplainOption,
    FileOption,
    MonotoneOption,
    MostOption,
    NonnegativeOption,
    OtherOption,
    Question,
    QuietOption,
    SqlArgument,
    StatsOption,
    WithinOption,
    read_accuracy,
    read_epsilon,
    read_sql,
)
from dpquery.cli.options import (
    AnalystOption,
    ColourOption,
    FormatOption,
    OutputOption,
    PolicyOption,
    Target,
    analyst_name,
    open_service,
    target,
)
from dpquery.cli.output import destination
from dpquery.cli.render import Format, answer, legend
from dpquery.cli.talk import Colour, Talk

if TYPE_CHECKING:
    from dpquery.results import Amount, Price
    from dpquery.service import Session


def query(  # noqa: PLR0913 -- one parameter an option
    sql: SqlArgument = None,
    *,
    file: FileOption = None,
    epsilon: EpsilonOption = None,
    within: WithinOption = None,
    confidence: ConfidenceOption = None,
    max_epsilon: MostOption = None,
    dialect: DialectOption = "duckdb",
    other: OtherOption = False,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="Show price and expected error; charge nothing."
        ),
    ] = False,
    explain: ExplainOption = False,
    nonnegative: NonnegativeOption = False,
    monotone: MonotoneOption = False,
    as_of: Annotated[
        str | None,
        typer.Option(
            "--as-of",
            metavar="TIME",
            help="Show the newest answer to this question until then, for nothing, "
            "even if the data has changed since: 2026-11, a full time, or last.",
        ),
    ] = None,
    no_intervals: Annotated[
        bool, typer.Option("--no-intervals", help="Leave the error bars out.")
    ] = False,
    simultaneous: Annotated[
        bool,
        typer.Option(
            "--simultaneous",
            help="Error bars that hold at 95 % all together; wider for it.",
        ),
    ] = False,
    stats: StatsOption = False,
    quiet: QuietOption = False,
    policy: PolicyOption = None,
    analyst: AnalystOption = None,
    form: FormatOption = None,
    output: OutputOption = None,
    color: ColourOption = Colour.AUTO,
) -> None:
    """
    Answer one SELECT with noise, and charge its price.

    Every noisy column comes with its 95 % interval: `41 ± 12` in table, bars and
    html, columns x_low and x_high beside x in the other formats, which are not
    rounded. Asking exactly the same again shows the same answer again, for nothing.

    With --within the answer is as exact as you say, for as little as that takes:
    counts and sums at a price that --dry-run tells, the rest in rounds that stop
    when every value is exact enough, or at --max-epsilon.
    """
    where = target(form, output, color)
    question = Question(
        sql=read_sql(sql, file),
        epsilon=read_epsilon(epsilon),
        dialect=dialect,
        other=other,
        explain=explain,
        talk=Talk(quiet=quiet, stats=stats),
        nonnegative=nonnegative,
        monotone=monotone,
        accuracy=read_accuracy(epsilon, within, confidence, max_epsilon, as_of),
    )
    with open_service(policy) as service:
        name = analyst_name(analyst, policy)
        with service.session(name) as session:
            if dry_run:
                _price(session, question, _subject(policy, name), form, where)
            else:
                bars = Bars(not no_intervals, simultaneous)
                _answer(session, question, where, as_of, bars)


def price(  # noqa: PLR0913 -- one parameter an option
    sql: SqlArgument = None,
    *,
    file: FileOption = None,
    epsilon: EpsilonOption = None,
    within: WithinOption = None,
    confidence: ConfidenceOption = None,
    max_epsilon: MostOption = None,
    dialect: DialectOption = "duckdb",
    other: OtherOption = False,
    explain: ExplainOption = False,
    nonnegative: NonnegativeOption = False,
    monotone: MonotoneOption = False,
    stats: StatsOption = False,
    quiet: QuietOption = False,
    policy: PolicyOption = None,
    analyst: AnalystOption = None,
    form: FormatOption = None,
    output: OutputOption = None,
    color: ColourOption = Colour.AUTO,
) -> None:
    """
    Show what a query would cost and how exact it would be.

    The same as `query --dry-run`: no data is read and nothing is charged. The words
    go to stderr; --format json writes the price to stdout.
    """
    query(
        sql,
        file=file,
        epsilon=epsilon,
        within=within,
        confidence=confidence,
        max_epsilon=max_epsilon,
        dialect=dialect,
        other=other,
        dry_run=True,
        explain=explain,
        nonnegative=nonnegative,
        monotone=monotone,
        stats=stats,
        quiet=quiet,
        policy=policy,
        analyst=analyst,
        form=form,
        output=output,
        color=color,
    )


def _answer(
    session: Session,
    question: Question,
    where: Target,
    as_of: str | None,
    bars: Bars,
) -> None:
    """Ask, write the answer, and then say what it cost."""
    talk = question.talk
    total: Amount | None = None if talk.silent else session.budget().total
    with where.open() as write:
        with talk.working(), talk.hearing():
            release = session.query(
                question.sql,
                epsilon=question.epsilon,
                dialect=question.dialect,
                other=question.other,
                as_of=as_of,
                nonnegative=question.nonnegative,
                monotone=question.monotone,
                **question.accuracy,
            )
        write(
            answer(
                release,
                where.form,
                intervals=bars.shown,
                simultaneous=bars.simultaneous,
                sql=question.sql,
            )
        )
    if question.explain:
        talk.explained(release.explain())
    talk.answered(release, total)
    marks = legend(release) if where.form is Format.TABLE else None
    if marks is not None:
        talk.note(marks)


def _price(
    session: Session,
    question: Question,
    subject: str,
    form: Format | None,
    where: Target,
) -> None:
    """Say what the question would cost; stdout stays empty unless JSON is asked for."""
    talk = question.talk
    cost = session.price(
        question.sql,
        epsilon=question.epsilon,
        dialect=question.dialect,
        other=question.other,
        nonnegative=question.nonnegative,
        monotone=question.monotone,
        **question.accuracy,
    )
    if question.explain:
        talk.explained(cost.explain())
    talk.priced(cost, session.budget(), subject)
    if form in (Format.JSON, Format.JSONL):
        with destination(where.path) as write:
            write(_price_json(cost).encode())
    elif form is not None:
        talk.note(f"--format {form} is for answers: a price is words, or --format json")


def _subject(policy: Path | None, analyst: str) -> str:
    stem = policy.stem if policy is not None else ""
    return f"policy {stem}, analyst {analyst}"


def _price_json(cost: Price) -> str:
    """Return a price as one JSON object, named like the fields of ``Price``."""
    left = cost.remaining
    record = {
        "epsilon": cost.epsilon,
        "delta": cost.delta,
        "rho": cost.rho,
        "remaining": left and {"epsilon": left.epsilon, "delta": left.delta},
        "queries_left": cost.queries_left,
        "expected": [
            {
                "column": each.column,
                "half_width": _finite(each.half_width),
                "assuming": each.assuming,
                "rank_error": _finite(each.rank_error),
            }
            for each in cost.expected
        ],
        "notes": list(cost.notes),
    }
    return json.dumps(record, ensure_ascii=False) + "\n"


def _finite(value: float | None) -> float | None:
    """JSON has no infinity."""
    return value if value is not None and math.isfinite(value) else None
