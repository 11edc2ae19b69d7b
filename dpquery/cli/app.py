"""The command line's frame: its verbs, and the boundary where errors become text."""

from __future__ import annotations

import sys
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from dpquery.cli import (
    audit,
    board,
    compare,
    lists,
    owner,
    profile,
    query,
    receipt,
    requests,
    simulate,
    start,
    talk,
)
from dpquery.cli.talk import Exit
from dpquery.errors import DPQueryError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

# In help texts, \b keeps the lines of a paragraph apart.
_PLACES = """\b
stdout is data, stderr is talk. Exit status:
  0 ok              3 policy or configuration
  1 refused, found  4 budget or permission
  2 usage           5 engine, ledger or connection

\b
First steps:
  export DPQUERY_POLICY=policies/clinic.yaml DPQUERY_ANALYST=alice
  dpquery tables
  dpquery price 'SELECT count(*) FROM visits'
  dpquery query 'SELECT count(*) FROM visits'
"""

app = typer.Typer(
    name="dpquery",
    help="Ask SQL about people's data; get noisy answers with error bars. Each answer "
    "costs a part of a privacy budget, and the budget holds.",
    epilog=_PLACES,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80},
)


def _examples(*lines: str) -> str:
    return "\n".join(["\b", "Examples:", *(f"  {line}" for line in lines)])


_VERBS: tuple[tuple[Callable[..., None], str], ...] = (
    (
        query.query,
        _examples(
            "dpquery query 'SELECT ward, count(*) FROM visits GROUP BY ward'",
            "dpquery query -f visits.sql --epsilon 0.5 -o visits.csv",
            "dpquery query -f visits.sql -o report.html",
            "echo 'SELECT avg(cost) FROM visits' | dpquery query - --format json",
        ),
    ),
    (query.price, _examples("dpquery price -f visits.sql --epsilon 0.5")),
    (lists.tables, _examples("dpquery tables", "dpquery tables visits --format json")),
    (
        profile.profile,
        _examples(
            "dpquery profile visits",
            "dpquery profile 'SELECT ward, sum(cost) FROM visits GROUP BY ward'",
        ),
    ),
    (
        board.budget,
        _examples(
            "dpquery budget",
            "dpquery budget --all --watch 10",
            "dpquery budget --all --format json",
        ),
    ),
    (lists.history, _examples("dpquery history --format csv -o asked.csv")),
    (
        requests.request,
        _examples("dpquery request --epsilon 0.5 --reason 'figures of March'"),
    ),
    (
        requests.requests,
        _examples("dpquery requests --all", "dpquery requests --as alice"),
    ),
    (
        requests.approve,
        _examples("dpquery approve 3", "dpquery approve 3 --epsilon 0.2 --expires 30d"),
    ),
    (requests.deny, _examples("dpquery deny 3 --reason 'ask again in spring'")),
    (
        start.init,
        _examples(
            "dpquery init --from clinic.duckdb policies",
            "dpquery init --from visits.parquet --from regions.csv",
        ),
    ),
    (
        owner.check,
        _examples("dpquery check policies/*.yaml", "dpquery check --data clinic.yaml"),
    ),
    (
        compare.diff,
        _examples("dpquery diff main.yaml clinic.yaml --fail-on weaker"),
    ),
    (
        simulate.simulate,
        _examples("dpquery simulate -p draft.yaml --as alice -f dashboard.sql"),
    ),
    (owner.docs, _examples("dpquery docs DPQ110")),
)

for _verb, _epilog in _VERBS:
    app.command(epilog=_epilog)(_verb)

_GROUPS: tuple[
    tuple[str, str, tuple[tuple[Callable[..., None], tuple[str, ...]], ...]], ...
] = (
    (
        "audit",
        "What the ledger's audit says, and whether it can be believed; for the owner.",
        (
            (audit.verify, ("dpquery audit verify",)),
            (
                audit.export,
                (
                    "dpquery audit export --since 2026-01-01 -o audit.jsonl",
                    "dpquery audit export --format csv",
                ),
            ),
            (audit.accept, ("dpquery audit accept",)),
        ),
    ),
    (
        "receipt",
        "Signed receipts of releases, for whoever wants to check what was charged.",
        (
            (receipt.export, ("dpquery receipt export r_0123456789abcdef -o r.json",)),
            (
                receipt.verify,
                (
                    "dpquery receipt verify r.json --key clinic.ledger.pub",
                    "dpquery receipt verify second.json --after first.json",
                ),
            ),
        ),
    ),
)
"""Verbs of two words."""

for _name, _help, _members in _GROUPS:
    _group = typer.Typer(
        name=_name,
        help=_help,
        epilog=_examples(*(line for _, lines in _members for line in lines)),
        no_args_is_help=True,
        rich_markup_mode=None,
    )
    for _verb, _lines in _members:
        _group.command(epilog=_examples(*_lines))(_verb)
    app.add_typer(_group)


def _show_version(wanted: bool) -> None:  # noqa: FBT001 -- typer calls it
    if not wanted:
        return
    try:
        number = version("dpquery")
    except PackageNotFoundError:
        number = "(not installed)"
    typer.echo(f"dpquery {number}")
    raise typer.Exit


@app.callback()
def _frame(
    *,
    _version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Show the version."
        ),
    ] = False,
) -> None:
    """Read what stands before the verb."""


def main() -> NoReturn:
    """Run the command line of this process and leave."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """
    Run one command line and return its exit status.

    Whatever happens, the outcome is a status and at most a few lines on stderr.
    """
    talk.choose_colour(talk.Colour.AUTO)
    command = typer.main.get_command(app)
    try:
        command.main(args=list(arguments), prog_name="dpquery")
    except SystemExit as leaving:  # how typer ends everything it handles itself
        status = leaving.code if isinstance(leaving.code, int) else Exit.OK
        if status == Exit.INTERRUPTED and not isinstance(leaving, talk.Stopped):
            talk.interrupted()
        return status
    except KeyboardInterrupt:
        talk.interrupted()
        return Exit.INTERRUPTED
    except DPQueryError as failure:
        talk.error(failure)
        return failure.exit_status
    except Exception as failure:  # noqa: BLE001 -- the boundary: nothing passes it
        talk.unexpected(failure)
        return Exit.INSIDE
    return Exit.OK
