"""The owner's verbs about the ledger's audit: verify, export and accept."""

from __future__ import annotations

import datetime as dt
import json
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from dpquery.cli import talk
from dpquery.cli.options import ColourOption, OutputOption, PolicyOption, policy_path
from dpquery.cli.output import destination, to_stdout
from dpquery.cli.render import SUFFIXES, Format, Sheet, check_library, render
from dpquery.cli.talk import Colour, Exit, UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from dpquery.ledger.acceptance import Acceptance
    from dpquery.ledger.audit import Finding

COLUMNS = ("number", "at", "actor", "kind", "body", "previous", "hash")
"""Of an export: exactly the fields that are hashed, and the hash."""


class Report(StrEnum):
    """How findings are written."""

    TEXT = "text"
    JSON = "json"


class Export(StrEnum):
    """How events are written."""

    JSONL = "jsonl"
    CSV = "csv"
    PARQUET = "parquet"


def verify(
    *,
    policy: PolicyOption = None,
    form: Annotated[
        Report,
        typer.Option(
            "--format",
            metavar="|".join(Report),
            show_default=False,
            help="How to write findings: text (default) or json.",
        ),
    ] = Report.TEXT,
    color: ColourOption = Colour.AUTO,
) -> None:
    """
    Check the ledger against its audit, and the audit itself.

    Nothing is written, and no data is read. Every event, the .head file beside the
    ledger, all debits, balances, stored answers and measurements are compared; of
    each kind, the first difference is told. Exit status 0: nothing found; 1: found.
    """
    talk.choose_colour(color)
    path = policy_path(policy)
    from dpquery.service import audit  # noqa: PLC0415 -- --help needs no database

    verdict = audit.verify(path)
    to_stdout(_findings(verdict.findings, form).encode())
    upto = f", the newest {verdict.hash[:16]}…" if verdict.hash else ""
    talk.say(
        f"{verdict.events} events{upto}; {len(verdict.findings) or 'nothing'} found"
    )
    if verdict.findings:
        raise typer.Exit(Exit.FINDINGS)


def export(
    *,
    policy: PolicyOption = None,
    since: Annotated[
        str | None,
        typer.Option(
            "--since",
            metavar="DATE",
            help="Only what was written on this day or later, UTC, e.g. 2026-01-31.",
        ),
    ] = None,
    form: Annotated[
        Export | None,
        typer.Option(
            "--format",
            metavar="|".join(Export),
            help="How to write events; by default the suffix of -o decides, else "
            "jsonl.",
        ),
    ] = None,
    output: OutputOption = None,
    color: ColourOption = Colour.AUTO,
) -> None:
    """
    Write all events of the audit.

    They are charges, answers, refusals and what the owner did. No exact value is in
    the ledger, so none is written. `hash` is the SHA-256 of the JSON array of the six
    fields before it. SQL is as the policy lets it be kept.
    """
    talk.choose_colour(color)
    first, kind = _date(since), _format(form, output)
    path = policy_path(policy)
    from dpquery.service import audit  # noqa: PLC0415 -- --help needs no database

    check_library(kind)
    entries = audit.events(path)
    with destination(output) as write:
        rows = [
            (e.number, e.at, e.actor, e.kind, e.body, e.previous, e.hash)
            for e in entries
            if e.at[:10] >= first
        ]
        write(render(Sheet(COLUMNS, rows), kind))
    talk.say(f"{len(rows)} events of {len(entries)}")


def accept(*, policy: PolicyOption = None, color: ColourOption = Colour.AUTO) -> None:
    """
    Go on with a ledger that was put back (DPQ560).

    The answers that it has forgotten are lost. What the .head file beside it knows to
    have been spent is charged, so that the promise holds; the audit says that you
    accepted it. A ledger that has forgotten nothing stays as it is.
    """
    talk.choose_colour(color)
    path = policy_path(policy)
    from dpquery.service import audit  # noqa: PLC0415 -- --help needs no database

    for line in _accepted(audit.accept(path)):
        talk.say(talk.printable(line))


def _findings(findings: tuple[Finding, ...], form: Report) -> str:
    if form is Report.JSON:
        records = [{"where": f.where, "message": f.message} for f in findings]
        return json.dumps(records, ensure_ascii=False, indent=1) + "\n"
    return "".join(talk.printable(f"{f.where}: {f.message}") + "\n" for f in findings)


def _date(text: str | None) -> str:
    """
    Return the first day that is wanted.

    Raises:
        UsageError: DPQ450, it is no date.
    """
    if text is None:
        return ""
    try:
        return dt.date.fromisoformat(text).isoformat()
    except ValueError:
        raise UsageError(
            f"{text[:40]!r} is no date", code="DPQ450", hint="such as 2026-01-31"
        ) from None


def _format(form: Export | None, output: Path | None) -> Format:
    """
    Return how events are written.

    Raises:
        UsageError: Parquet is bytes, so it needs a file (DPQ408).
    """
    wanted = None if output is None else SUFFIXES.get(output.suffix.lower())
    known = {Format(each) for each in Export}
    kind = Format(form) if form is not None else wanted
    if kind not in known or kind is None:
        kind = Format.JSONL
    if kind is Format.PARQUET and (output is None or str(output) == "-"):
        raise UsageError(
            "parquet is not text: it needs a file",
            code="DPQ408",
            hint="add -o audit.parquet",
        )
    return kind


def _accepted(done: Acceptance) -> list[str]:
    if not done.why:
        return ["the ledger has forgotten nothing: there is nothing to accept"]
    lines = ["accepted; the audit says so"]
    if done.lost is not None:
        lines.append(f"lost: up to event {done.lost[1]} of the ledger {done.lost[0]}")
    else:
        lines.append("lost: nobody knows what, for there is no .head file to tell")
    for scope, loss in sorted((done.debits or {}).items()):
        charged = f"{talk.loss_name(loss.definition)} {talk.number(loss.value)}"
        if loss.delta:
            charged += f", δ {talk.number(loss.delta_value)}"
        lines.append(f"charged to {scope}: {charged}")
    return lines
