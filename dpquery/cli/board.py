"""The verb budget: what is spent and left, once or again and again."""

from __future__ import annotations

import datetime as dt
import os
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from dpquery.cli import talk
from dpquery.cli.options import (
    AnalystOption,
    ColourOption,
    FormatOption,
    OutputOption,
    PolicyOption,
    analyst_name,
    open_service,
    target,
)
from dpquery.cli.output import to_stdout
from dpquery.cli.render import PEOPLE, Sheet
from dpquery.cli.requests import outcome
from dpquery.cli.talk import Colour, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from dpquery.cli.options import Target
    from dpquery.cli.render import Format
    from dpquery.results import (
        Account,
        Amount,
        Budget,
        BudgetRequest,
        Cell,
        Report,
        Usage,
    )

EVERY = 5.0
"""Seconds between two looks."""
_SHORTEST, _LONGEST = 0.1, 86_400.0
_LATELY = 5
"""How many of an analyst's requests are told of."""
_CLEAR = b"\x1b[H\x1b[2J"
_BARS = "▁▂▃▄▅▆▇█"


def budget(
    seconds: Annotated[
        float | None,
        typer.Argument(
            metavar="SECONDS", show_default=False, help="With --watch: the pause."
        ),
    ] = None,
    *,
    everyone: Annotated[
        bool,
        typer.Option("--all", help="The dataset, every analyst, table and block."),
    ] = False,
    watch: Annotated[
        bool,
        typer.Option("--watch", help="Show it every 5 seconds, until Ctrl-C."),
    ] = False,
    policy: PolicyOption = None,
    analyst: AnalystOption = None,
    form: FormatOption = None,
    output: OutputOption = None,
    color: ColourOption = Colour.AUTO,
) -> None:
    """
    Show what is spent and what is left.

    Queries add up to less than the sum of their prices. What is left is the largest
    single query that would still be answered; `price` says how many more there are.

    With --all, for the owner: also which tables were read, how much was spent on
    which day, and when each budget will be exhausted.
    """
    where = target(form, output, color)
    pause = _pause(seconds, watch=watch)
    if everyone:
        _owners(policy, where, pause)
    else:
        _mine(policy, analyst, where, pause)


def _owners(policy: Path | None, where: Target, pause: float | None) -> None:
    with open_service(policy) as service:

        def draw() -> None:
            report = service.report()
            with where.open_all() as write:
                write(_board(report, where.form))
            for line in _words(report):
                talk.say(talk.printable(line))

        _again(draw, where, pause)


def _mine(
    policy: Path | None, analyst: str | None, where: Target, pause: float | None
) -> None:
    with open_service(policy) as service:
        name = analyst_name(analyst, policy)
        with service.session(name) as session:

            def draw() -> None:
                mine = session.budget()
                with where.open() as write:
                    write(_budget_sheet(name, mine))
                _tell(session.requests())

            _again(draw, where, pause)


def _tell(asked: list[BudgetRequest]) -> None:
    """Say what became of the newest requests."""
    for each in asked[-_LATELY:]:
        talk.say(outcome(each))


def _pause(seconds: float | None, *, watch: bool) -> float | None:
    """
    Return how long to wait between two looks; ``None``: look once.

    Raises:
        UsageError: It is no such time (DPQ444).
    """
    hint = "for example --watch 10"
    if seconds is not None and not watch:
        msg = "a number of seconds goes with --watch"
        raise UsageError(msg, code="DPQ444", hint=hint)
    if seconds is not None and not _SHORTEST <= seconds <= _LONGEST:
        msg = f"this is no number of seconds to wait: {seconds:g}"
        raise UsageError(msg, code="DPQ444", hint=hint)
    return (EVERY if seconds is None else seconds) if watch else None


def _again(draw: Callable[[], None], where: Target, pause: float | None) -> None:
    """
    Look once, or until Ctrl-C.

    A terminal is cleared before each look; a pipe gets one block after the other,
    until its reader leaves.
    """
    if pause is None:
        draw()
        return
    redraw = where.path is None and talk.is_terminal(sys.stdout)
    try:
        while where.path is not None or not _nobody_reads():
            if redraw:
                to_stdout(_CLEAR)
            draw()
            time.sleep(pause)
    except KeyboardInterrupt:
        raise talk.Stopped from None


def _nobody_reads() -> bool:
    """Tell whether stdout leads nowhere, as it does once its reader has left."""
    if sys.stdout is None:
        return True
    try:
        there = os.fstat(sys.stdout.fileno())
        return os.path.samestat(there, os.stat(os.devnull))  # noqa: PTH116
    except OSError:
        return False


# --- what is shown ---------------------------------------------------------------

_LOSSES = tuple(
    f"{part}_{loss}"
    for part in ("total", "spent", "remaining")
    for loss in ("epsilon", "delta")
)


def _budget_sheet(name: str, mine: Budget) -> Sheet:
    """One row: an analyst."""
    row = (name, *_losses(mine.total, mine.spent, mine.remaining))
    return Sheet(("analyst", *_LOSSES), [row])


def _losses(*amounts: Amount | None) -> tuple[float | None, ...]:
    return tuple(
        loss
        for each in amounts
        for loss in ((None, None) if each is None else (each.epsilon, each.delta))
    )


@dataclass(frozen=True, slots=True)
class _Row:
    """One row of the board as data; what a kind of row does not have is NULL."""

    kind: str
    name: str
    analyst: str | None = None
    losses: tuple[float | None, ...] = (None,) * len(_LOSSES)
    share: float | None = None
    granted_epsilon: float | None = None
    queries_left: int | None = None
    days_left: float | None = None
    releases: int | None = None
    at: str | None = None


_FIELDS = (
    "kind",
    "name",
    "share",
    "granted_epsilon",
    "queries_left",
    "days_left",
    "releases",
    "at",
)


def _board(report: Report, form: Format) -> list[Sheet]:
    """Lay a report out: tables for a person, else rows that say what they are."""
    if form in PEOPLE:
        sheets = [_accounts(report.accounts)]
        if report.tables:
            sheets.append(_usages("table", report.tables))
        return sheets
    rows = [
        (each.analyst, *each.losses, *(getattr(each, name) for name in _FIELDS))
        for each in _rows(report)
    ]
    return [Sheet(("analyst", *_LOSSES, *_FIELDS), rows)]


def _rows(report: Report) -> Iterable[_Row]:
    for each in report.accounts:
        yield _Row(
            each.kind,
            each.name,
            analyst=None if each.kind == "block" else each.name,
            losses=_losses(each.total, each.spent, each.remaining),
            share=each.share,
            granted_epsilon=each.granted if each.kind == "analyst" else None,
            queries_left=each.queries_left,
            days_left=None if each.forecast is None else each.forecast.days,
        )
    for kind, usages in (("table", report.tables), ("day", report.days)):
        for used in usages:
            yield _Row(
                kind,
                used.name,
                losses=_losses(None, used.spent, None),
                releases=used.releases,
                at=used.last_at,
            )
    for asked in report.requests:
        losses = (asked.epsilon, *(None,) * (len(_LOSSES) - 1))
        yield _Row(
            "request", str(asked.id), asked.analyst, losses=losses, at=asked.asked_at
        )


def _accounts(accounts: tuple[Account, ...]) -> Sheet:
    columns = (
        "budget",
        "total ε",
        "spent ε",
        "left ε",
        "left δ",
        "used",
        "usual queries left",
        "forecast",
    )
    return Sheet(columns, [_account(each) for each in accounts])


def _account(each: Account) -> tuple[Cell, ...]:
    name = f"block {each.name}" if each.kind == "block" else each.name
    return (
        name,
        None if each.total is None else each.total.epsilon,
        each.spent.epsilon,
        None if each.remaining is None else each.remaining.epsilon,
        None if each.remaining is None else each.remaining.delta,
        None if each.share is None else f"{each.share:.1%}",
        each.queries_left,
        _forecast(each),
    )


def _forecast(each: Account) -> str:
    return "no forecast" if each.forecast is None else str(each.forecast)


def _usages(kind: str, usages: tuple[Usage, ...]) -> Sheet:
    columns = (kind, "releases", "spent ε", "last")
    rows = [(u.name, u.releases, u.spent.epsilon, u.last_at) for u in usages]
    return Sheet(columns, rows)


def _words(report: Report) -> Iterable[str]:
    """Say in words what an owner asks first."""
    dataset = report.accounts[0]
    usual = f"(ε {talk.number(report.usual.epsilon)})"
    if dataset.queries_left is not None:
        left = dataset.queries_left
        yield f"left      about {left} more queries like the usual one {usual}"
    if dataset.forecast is None:
        yield "forecast  no forecast: it takes two days of history"
    else:
        yield f"forecast  the dataset: {dataset.forecast}"
    if report.days:
        line, first = _burn_down(report)
        yield f"by day    {line}  since {first}"
    for each in report.requests:
        yield f"asks      {outcome(each)}"
    if report.requests:
        yield "          dpquery approve ID, or dpquery deny ID --reason TEXT"


def _burn_down(report: Report) -> tuple[str, str]:
    """Draw what was spent on each day; days without anything are a gap."""
    spent = {each.name: each.spent.epsilon for each in report.days}
    last = dt.datetime.fromisoformat(report.at).date()
    first = max(dt.date.fromisoformat(min(spent)), last - dt.timedelta(days=29))
    most = max(spent.values()) or 1.0
    line = ""
    for after in range((last - first).days + 1):
        amount = spent.get((first + dt.timedelta(days=after)).isoformat())
        at = 0 if not amount else round(amount / most * (len(_BARS) - 1))
        line += " " if amount is None else _BARS[at]
    return line, first.isoformat()
