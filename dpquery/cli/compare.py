"""The owner's verb before a change: diff."""

from __future__ import annotations

import json
from collections import Counter
from enum import StrEnum
from pathlib import Path  # noqa: TC003 -- typer reads annotations
from typing import TYPE_CHECKING, Annotated

import typer

from dpquery.cli import talk
from dpquery.cli.options import ColourOption  # noqa: TC001 -- typer reads annotations
from dpquery.cli.output import to_stdout
from dpquery.cli.talk import Colour, Exit

if TYPE_CHECKING:
    from dpquery.errors import Place
    from dpquery.policy.diff import Change
    from dpquery.policy.load import LoadedPolicy


class Report(StrEnum):
    """How differences are written."""

    TEXT = "text"
    JSON = "json"


class FailOn(StrEnum):
    """What makes the exit status 1."""

    WEAKER = "weaker"


def diff(
    old: Annotated[Path, typer.Argument(metavar="OLD", help="The policy as it was.")],
    new: Annotated[Path, typer.Argument(metavar="NEW", help="The policy as it is.")],
    *,
    fail_on: Annotated[
        FailOn | None,
        typer.Option(
            "--fail-on",
            metavar="weaker",
            show_default=False,
            help="Exit with status 1 if anything is weaker: for reviews and CI.",
        ),
    ] = None,
    form: Annotated[
        Report,
        typer.Option(
            "--format",
            metavar="|".join(Report),
            show_default=False,
            help="How to write differences: text (default) or json.",
        ),
    ] = Report.TEXT,
    color: ColourOption = Colour.AUTO,
) -> None:
    """
    Say what a new policy changes: what is weaker, stronger or neutral, and why.

    Only the two files are read. Comments, layout and the order of keys make no
    difference.
    """
    from dpquery.policy.diff import changes  # noqa: PLC0415 -- --help needs no pydantic
    from dpquery.policy.load import load  # noqa: PLC0415

    talk.choose_colour(color)
    before, after = load(old), load(new)
    found = changes(before.policy, after.policy)
    if form is Report.JSON:
        records = [_record(each, _place(each, before, after)) for each in found]
        text = json.dumps(records, ensure_ascii=False, indent=1) + "\n"
    else:
        text = "".join(_text(each, _place(each, before, after)) for each in found)
    to_stdout(text.encode())
    counts = Counter(each.effect.value for each in found)
    words = [f"{count} {effect}" for effect, count in counts.items()]
    talk.say(", ".join(words) or "the two policies say the same")
    if fail_on is not None and counts[fail_on.value]:
        raise typer.Exit(Exit.FINDINGS)


def _place(change: Change, before: LoadedPolicy, after: LoadedPolicy) -> Place:
    """Return where it stands now; what is gone is shown where it stood."""
    where = before if change.difference.removed else after
    return where.place(change.difference.at)


def _text(change: Change, place: Place) -> str:
    """Write a difference as compilers do: file:line:column first."""
    head = f"{place.file}:{place.line}:{place.column}: {change.effect}"
    what = talk.printable(f"{change.where}  {change.what}")
    return f"{head}  {what}\n  {change.reason}\n"


def _record(change: Change, place: Place) -> dict[str, object]:
    return {
        "effect": change.effect.value,
        "key": change.where,
        "change": change.what,
        "reason": change.reason,
        "file": place.file,
        "line": place.line,
        "column": place.column,
    }
