"""The verbs that ask: query, and price, which only asks what query would cost."""

from __future__ import annotations

import json
import math
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

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
from dpquery.cli.render import Format, answer
from dpquery.cli.talk import Colour, Talk, UsageError
from dpquery.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dpquery.results import Amount, Price
    from dpquery.service import Session

LONGEST = 1 << 20
"""Bytes of SQL that are read; the parser's own limit is far below, and says so."""

_EPSILON = re.compile(r"[0-9]{1,10}(\.[0-9]{1,12})?([eE][+-]?[0-9]{1,2})?")

SqlArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="SQL", show_default=False, help="One SELECT; - reads stdin."
    ),
]
FileOption = Annotated[
    Path | None,
    typer.Option("-f", "--file", metavar="FILE", help="Read the SQL from FILE."),
]
EpsilonOption = Annotated[
    str | None,
    typer.Option(
        "--epsilon",
        metavar="E",
        help="What this query may cost by itself, e.g. 0.2; more is more exact. "
        "The policy has a default.",
    ),
]
WithinOption = Annotated[
    str | None,
    typer.Option(
        "--within",
        metavar="A",
        help="How exact every noisy value is to be, 5% or 25, in place of --epsilon: "
        "the cheapest answer that is this good.",
    ),
]
ConfidenceOption = Annotated[
    str | None,
    typer.Option(
        "--confidence", metavar="P", help="With which probability; .95 if not said."
    ),
]
MostOption = Annotated[
    str | None,
    typer.Option(
        "--max-epsilon",
        metavar="E",
        help="What --within may cost; the policy's limit if not said.",
    ),
]
DialectOption = Annotated[
    str,
    typer.Option("--dialect", metavar="NAME", help="The SQL dialect of the query."),
]
ExplainOption = Annotated[
    bool, typer.Option("--explain", help="Show on stderr how the answer is made.")
]
StatsOption = Annotated[
    bool,
    typer.Option("--stats", help="One JSON line on stderr in place of words."),
]
QuietOption = Annotated[
    bool, typer.Option("-q", "--quiet", help="Say nothing on stderr but errors.")
]


@dataclass(frozen=True, slots=True)
class Question:
    """What an analyst asks, and what to say beside the answer."""

    sql: str
    epsilon: float | None
    dialect: str
    explain: bool
    talk: Talk
    accuracy: Mapping[str, Any] = field(default_factory=dict)
    """Options of asking by accuracy, as the session takes them; none if not asked."""


def query(  # noqa: PLR0913 -- one parameter an option
    sql: SqlArgument = None,
    *,
    file: FileOption = None,
    epsilon: EpsilonOption = None,
    within: WithinOption = None,
    confidence: ConfidenceOption = None,
    max_epsilon: MostOption = None,
    dialect: DialectOption = "duckdb",
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="Show price and expected error; charge nothing."
        ),
    ] = False,
    explain: ExplainOption = False,
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

    Every noisy column comes with its 95 % interval: `41 ± 12` in a table, columns
    x_low and x_high beside x in the other formats. Asking exactly the same again
    shows the same answer again, for nothing.

    With --within the answer is as exact as you say, for as little as that takes:
    counts and sums at a price that --dry-run tells, the rest in rounds that stop
    when every value is exact enough, or at --max-epsilon.
    """
    where = target(form, output, color)
    question = Question(
        sql=read_sql(sql, file),
        epsilon=read_epsilon(epsilon),
        dialect=dialect,
        explain=explain,
        talk=Talk(quiet=quiet, stats=stats),
        accuracy=read_accuracy(epsilon, within, confidence, max_epsilon),
    )
    with open_service(policy) as service:
        name = analyst_name(analyst, policy)
        with service.session(name) as session:
            if dry_run:
                _price(session, question, _subject(policy, name), form, where)
            else:
                _answer(session, question, where, as_of, intervals=not no_intervals)


def price(  # noqa: PLR0913 -- one parameter an option
    sql: SqlArgument = None,
    *,
    file: FileOption = None,
    epsilon: EpsilonOption = None,
    within: WithinOption = None,
    confidence: ConfidenceOption = None,
    max_epsilon: MostOption = None,
    dialect: DialectOption = "duckdb",
    explain: ExplainOption = False,
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
        dry_run=True,
        explain=explain,
        stats=stats,
        quiet=quiet,
        policy=policy,
        analyst=analyst,
        form=form,
        output=output,
        color=color,
    )


def read_sql(text: str | None, file: Path | None) -> str:
    """
    Return the SQL of the command line, of *file*, or of stdin for ``-``.

    Raises:
        UsageError: There is none, or more than one (DPQ406).
        ConfigError: It cannot be read (DPQ404).
    """
    if (text is None) == (file is None):
        raise UsageError(
            "no SQL is given" if text is None else "SQL is given twice",
            code="DPQ406",
            hint="give one of: dpquery query 'SELECT …', -f FILE, or - for stdin",
        )
    if text is not None and text != "-":
        return text
    name = "stdin" if file is None or str(file) == "-" else str(file)
    try:
        if name == "stdin":
            content = sys.stdin.buffer.read(LONGEST + 1) if sys.stdin else b""
        else:
            with Path(name).open("rb") as stream:
                content = stream.read(LONGEST + 1)
        if len(content) > LONGEST:
            raise ConfigError(
                f"{name} is longer than any query", code="DPQ404", hint="is it SQL?"
            )
        return content.decode("utf-8-sig")
    except OSError as failure:
        reason = (failure.strerror or type(failure).__name__).lower()
        raise ConfigError(
            f"cannot read {name}: {reason}",
            code="DPQ404",
            hint="-f names a text file with one SELECT",
        ) from None
    except UnicodeDecodeError as failure:
        raise ConfigError(
            f"{name} is not UTF-8 text: byte {failure.start + 1} is wrong",
            code="DPQ404",
            hint="save it as UTF-8",
        ) from None


def read_epsilon(text: str | None, option: str = "--epsilon") -> float | None:
    """
    Read ``--epsilon`` strictly: plain digits, above zero.

    >>> read_epsilon("0.2"), read_epsilon("1e-3")
    (0.2, 0.001)

    Raises:
        UsageError: It is anything else, such as nan, inf or -1 (DPQ401).
    """
    if text is None:
        return None
    value = float(text) if _EPSILON.fullmatch(text) else 0.0
    if value > 0:
        return value
    raise UsageError(
        f"{option} is a number above zero, not {text[:40]!r}",
        code="DPQ401",
        hint=f"for example {option} 0.2",
    )


def read_accuracy(
    epsilon: str | None,
    within: str | None,
    confidence: str | None,
    max_epsilon: str | None,
) -> dict[str, Any]:
    """
    Read ``--within`` and what belongs to it; the session reads the amount itself.

    Raises:
        UsageError: They do not go together (DPQ418), or one is no number (DPQ401,
            DPQ402).
    """
    if within is None and (confidence is not None or max_epsilon is not None):
        raise UsageError(
            "--confidence and --max-epsilon belong to --within, which is not given",
            code="DPQ418",
            hint="for example --within 5% --max-epsilon 1",
        )
    if within is None:
        return {}
    if epsilon is not None:
        raise UsageError(
            "--within and --epsilon exclude one another",
            code="DPQ418",
            hint="--within finds the epsilon that it needs; --max-epsilon limits it",
        )
    return {
        "within": within,
        "confidence": _confidence(confidence),
        "max_epsilon": read_epsilon(max_epsilon, "--max-epsilon"),
    }


def _confidence(text: str | None) -> float | None:
    if text is None:
        return None
    value = float(text) if re.fullmatch(r"0?\.[0-9]{1,9}", text) else 0.0
    if 0 < value < 1:
        return value
    msg = f"--confidence is a number between 0 and 1, not {text[:40]!r}"
    raise UsageError(msg, code="DPQ402", hint="for 95 %, say 0.95")


def _answer(
    session: Session,
    question: Question,
    where: Target,
    as_of: str | None,
    *,
    intervals: bool,
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
                as_of=as_of,
                **question.accuracy,
            )
        write(answer(release, where.form, intervals=intervals))
    if question.explain:
        talk.explained(release.explain())
    talk.answered(release, total)


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
            }
            for each in cost.expected
        ],
        "notes": list(cost.notes),
    }
    return json.dumps(record, ensure_ascii=False) + "\n"


def _finite(value: float | None) -> float | None:
    """JSON has no infinity."""
    return value if value is not None and math.isfinite(value) else None
