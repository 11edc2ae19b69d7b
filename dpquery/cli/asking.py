"""What can be said of a query on the command line: options, and how they are read."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dpquery.cli.talk import Talk, UsageError
from dpquery.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

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
OtherOption = Annotated[
    bool,
    typer.Option(
        "--other",
        help="Add a row of what the withheld groups hold together, at a tenth of the "
        "price.",
    ),
]
ExplainOption = Annotated[
    bool, typer.Option("--explain", help="Show on stderr how the answer is made.")
]
NonnegativeOption = Annotated[
    bool,
    typer.Option(
        "--nonnegative",
        help="Make counts, and sums of what is never negative, non-negative; they "
        "still add up to the noisy total.",
    ),
]
MonotoneOption = Annotated[
    bool,
    typer.Option(
        "--monotone",
        help="Let running totals along the one date or number of GROUP BY never fall.",
    ),
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
    other: bool
    explain: bool
    talk: Talk
    nonnegative: bool = False
    monotone: bool = False
    accuracy: Mapping[str, Any] = field(default_factory=dict)
    """Options of asking by accuracy, as the session takes them; none if not asked."""


@dataclass(frozen=True, slots=True)
class Bars:
    """Which error bars an answer has."""

    shown: bool = True
    simultaneous: bool = False
    """Whether they hold all together."""


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
    as_of: str | None = None,
) -> dict[str, Any]:
    """
    Read ``--within`` and what belongs to it; the session says what goes together.

    Raises:
        UsageError: They do not go together, or one is no number: as the session says.
    """
    if within is confidence is max_epsilon is None:
        return {}
    # not at the top: --help is quick
    from dpquery.service.accuracy import read_target  # noqa: PLC0415
    from dpquery.service.question import Question as Asked  # noqa: PLC0415

    chosen: dict[str, Any] = {
        "within": within,
        "confidence": _confidence(confidence),
        "max_epsilon": read_epsilon(max_epsilon, "--max-epsilon"),
    }
    try:
        read_target(Asked("", read_epsilon(epsilon), **chosen), as_of)
    except ConfigError as failure:
        raise UsageError(
            _as_options(failure.message),
            code=failure.code,
            hint=_as_options(failure.hint or ""),
        ) from None
    return chosen


def _as_options(text: str) -> str:
    """
    Name the session's parameters as the command line does.

    >>> _as_options("max_epsilon belongs to within")
    '--max-epsilon belongs to --within'
    """
    names = r"\b(within|confidence|max_epsilon|epsilon|as_of)\b"
    return re.sub(names, lambda m: "--" + m[0].replace("_", "-"), text)


def _confidence(text: str | None) -> float | str | None:
    """Return a number, or for the session to refuse what is none."""
    if text is not None and re.fullmatch(r"0?\.[0-9]{1,9}", text):
        return float(text)
    return text
