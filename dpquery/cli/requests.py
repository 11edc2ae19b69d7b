"""The verbs about more budget: request, requests, approve and deny."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from dpquery.cli import talk
from dpquery.cli.asking import read_epsilon
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
from dpquery.cli.render import Sheet
from dpquery.cli.talk import Colour, UsageError
from dpquery.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dpquery.results import BudgetRequest

IdArgument = Annotated[
    int, typer.Argument(metavar="ID", help="The number of the request.")
]


def request(
    *,
    epsilon: Annotated[
        str, typer.Option("--epsilon", metavar="E", help="How much more, e.g. 0.5.")
    ],
    reason: Annotated[
        str, typer.Option("--reason", metavar="TEXT", help="What it is for.")
    ],
    policy: PolicyOption = None,
    analyst: AnalystOption = None,
    form: FormatOption = None,
    output: OutputOption = None,
    color: ColourOption = Colour.AUTO,
) -> None:
    """
    Ask the owner for more budget.

    The owner sees the request in `dpquery requests`. What became of it is shown by
    `dpquery requests --as ANALYST` and by `dpquery budget`.
    """
    where = target(form, output, color)
    more = read_epsilon(epsilon) or 0.0
    with (
        open_service(policy) as service,
        service.session(analyst_name(analyst, policy)) as session,
        where.open() as write,
    ):
        with _of_the_command_line():
            asked = session.request(more, reason)
        write(sheet([asked]))
    talk.say(f"request {asked.id} is open: ε {talk.number(asked.epsilon)} more")


def requests(
    *,
    everything: Annotated[
        bool, typer.Option("--all", help="Also what was decided.")
    ] = False,
    policy: PolicyOption = None,
    analyst: Annotated[
        str | None,
        typer.Option(
            "--as",
            envvar="DPQUERY_ANALYST",
            metavar="ANALYST",
            help="Only this analyst's, open and decided.",
        ),
    ] = None,
    form: FormatOption = None,
    output: OutputOption = None,
    color: ColourOption = Colour.AUTO,
) -> None:
    """
    List requests for more budget, oldest first.

    For the owner those that are open; for an analyst all of their own. `expired` was
    approved and has come to its end.
    """
    where = target(form, output, color)
    with open_service(policy) as service:
        if analyst is None:
            found = service.requests(decided=everything)
        else:
            with service.session(analyst) as session:
                found = session.requests()
    with where.open() as write:
        write(sheet(found))
    if not found:
        talk.say("no requests" if everything or analyst else "no open requests")


def approve(
    id_: IdArgument,
    *,
    epsilon: Annotated[
        str | None,
        typer.Option("--epsilon", metavar="E", help="Another amount than was asked."),
    ] = None,
    expires: Annotated[
        str | None,
        typer.Option(
            "--expires",
            metavar="END",
            help="When it ends: 30d, 12h, 2w, or 2027-01-31 (that day counts, UTC).",
        ),
    ] = None,
    reason: Annotated[
        str | None, typer.Option("--reason", metavar="TEXT", help="For the analyst.")
    ] = None,
    policy: PolicyOption = None,
    form: FormatOption = None,
    output: OutputOption = None,
    color: ColourOption = Colour.AUTO,
) -> None:
    """
    Grant what an analyst asked for: their quota is higher by it.

    The dataset's budget stays what it is: everybody together never learn more. What
    was spent before a grant ends stays spent; only the quota falls.
    """
    where = target(form, output, color)
    amount = read_epsilon(epsilon)
    with open_service(policy) as service, where.open() as write:
        with _of_the_command_line():
            decided = service.approve(
                id_, epsilon=amount, expires=expires, reason=reason
            )
        write(sheet([decided]))
    talk.say(outcome(decided))
    for note in decided.notes:
        talk.say(f"note    {talk.printable(note)}")


def deny(
    id_: IdArgument,
    *,
    reason: Annotated[
        str, typer.Option("--reason", metavar="TEXT", help="For the analyst.")
    ],
    policy: PolicyOption = None,
    form: FormatOption = None,
    output: OutputOption = None,
    color: ColourOption = Colour.AUTO,
) -> None:
    """Decline what an analyst asked for, with a reason."""
    where = target(form, output, color)
    with open_service(policy) as service, where.open() as write:
        with _of_the_command_line():
            decided = service.deny(id_, reason=reason)
        write(sheet([decided]))
    talk.say(outcome(decided))


def sheet(found: Sequence[BudgetRequest]) -> Sheet:
    """One row a request."""
    columns = (
        "id",
        "analyst",
        "epsilon",
        "state",
        "granted",
        "expires_at",
        "reason",
        "answer",
        "asked_at",
        "decided_at",
    )
    rows = [tuple(getattr(each, name) for name in columns) for each in found]
    return Sheet(columns, rows)


def outcome(each: BudgetRequest) -> str:
    """
    Say in a line what became of a request.

    >>> from dpquery.results import BudgetRequest
    >>> outcome(BudgetRequest(3, "alice", 0.5, "why", "2026-11-24", "open"))
    'request 3 of alice: ε 0.5 more · open'
    """
    text = f"request {each.id} of {talk.printable(each.analyst)}: "
    text += f"ε {talk.number(each.epsilon)} more · {each.state}"
    if each.granted is not None and each.granted != each.epsilon:
        text += f", ε {talk.number(each.granted)}"
    if each.expires_at is not None:
        text += f", until {each.expires_at}"
    if each.answer is not None:
        text += f": {talk.printable(each.answer)}"
    return text


@contextmanager
def _of_the_command_line() -> Iterator[None]:
    """Read what is wrong with a number, a reason or an end as wrong usage."""
    try:
        yield
    except ConfigError as wrong:
        raise UsageError(wrong.message, code=wrong.code, hint=wrong.hint) from None
