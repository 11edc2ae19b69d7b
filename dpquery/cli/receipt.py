"""The verbs about receipts: export one, verify one without anything else."""

from __future__ import annotations

import json
from pathlib import Path  # noqa: TC003 -- typer reads annotations
from typing import TYPE_CHECKING, Annotated

import typer

from dpquery.cli import talk
from dpquery.cli.options import ColourOption, OutputOption, PolicyOption, policy_path
from dpquery.cli.output import destination, to_stdout
from dpquery.cli.talk import Colour, Exit, UsageError

if TYPE_CHECKING:
    from dpquery.ledger.receipts import Checked

_LARGEST = 64 * 2**20


def export(
    release: Annotated[
        str, typer.Argument(metavar="RELEASE_ID", help="Of `dpquery history`.")
    ],
    *,
    policy: PolicyOption = None,
    output: OutputOption = None,
    color: ColourOption = Colour.AUTO,
) -> None:
    """
    Write the signed receipt of a release.

    It holds the parameters of the noise, what was debited, the release's place in the
    audit, the query's text as the ledger keeps it, and a digest of the answer, not
    the answer. The signing key is made when it is first needed, beside the ledger,
    with a .pub file for those who check receipts.
    """
    talk.choose_colour(color)
    path = policy_path(policy)
    from dpquery.service import audit  # noqa: PLC0415 -- --help needs no database

    text = json.dumps(audit.receipt(path, release), ensure_ascii=False, indent=1)
    with destination(output) as write:
        write((text + "\n").encode())


def verify(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A receipt; - reads stdin.")
    ],
    *,
    key: Annotated[
        Path | None,
        typer.Option(
            "--key",
            metavar="PUB",
            show_default=False,
            help="The signer's .pub file, had by another way than the receipt.",
        ),
    ] = None,
    after: Annotated[
        Path | None,
        typer.Option(
            "--after",
            metavar="OTHER",
            show_default=False,
            help="Also: was it charged after this other receipt, in the same chain?",
        ),
    ] = None,
    color: ColourOption = Colour.AUTO,
) -> None:
    """
    Check a receipt; needs no data, no ledger and no policy.

    The loss is computed anew from the parameters of the noise and compared with what
    was debited; the hash of the events and the signature are checked. Exit status 0:
    it holds; 1: it does not.
    """
    talk.choose_colour(color)
    from dpquery.service import audit  # noqa: PLC0415 -- --help needs no database

    pem = None if key is None else _bytes(key)
    text = _text(file)
    checked = audit.check_receipt(text, pem)
    flaws = list(checked.flaws)
    if after is not None and not flaws:
        other = _text(after)
        flaws += [f"{after}: {f}" for f in audit.check_receipt(other, pem).flaws]
        flaws += () if flaws else audit.receipts_follow(text, other)
    if flaws:
        to_stdout("".join(talk.printable(each) + "\n" for each in flaws).encode())
        talk.say("the receipt does not hold")
        raise typer.Exit(Exit.FINDINGS)
    for line in _holds(checked):
        talk.say(talk.printable(line))


def _holds(checked: Checked) -> list[str]:
    lines = [f"the receipt of {checked.release} holds"]
    if checked.lost is not None and checked.paid is not None:
        unit = talk.loss_name(checked.lost.definition)
        lines.append(
            f"its noise loses {unit} {talk.number(checked.lost.value)}, "
            f"and {unit} {talk.number(checked.paid.value)} was debited"
        )
    if checked.key_given:
        lines.append("it was signed with the key that was given")
    else:
        lines.append(
            f"it was signed with the key {checked.key}, which it names itself: that "
            "shows that nobody changed it since, not who signed it; give --key"
        )
    return lines


def _text(path: Path) -> str:
    try:
        return _bytes(path).decode("utf-8")
    except UnicodeDecodeError:
        return ""


def _bytes(path: Path) -> bytes:
    """
    Return what is in a file.

    Raises:
        UsageError: DPQ451, it cannot be read.
    """
    if str(path) == "-":
        return typer.get_binary_stream("stdin").read(_LARGEST)
    try:
        with path.open("rb") as stream:
            return stream.read(_LARGEST)
    except OSError as failure:
        reason = (failure.strerror or "it cannot be opened").lower()
        raise UsageError(
            f"cannot read {path}: {reason}",
            code="DPQ451",
            hint="name a file that this user may read",
        ) from None
