"""The owner's verb, check, and the words about error codes, docs."""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path  # noqa: TC003 -- typer reads annotations
from typing import TYPE_CHECKING, Annotated, assert_never

import typer

from dpquery.cli import talk
from dpquery.cli.options import ColourOption, PolicyOption, policy_path
from dpquery.cli.output import to_stdout
from dpquery.cli.talk import Colour, Exit, UsageError
from dpquery.errors import EngineFailure, LedgerError, Place, PolicyError

if TYPE_CHECKING:
    from dpquery.errors.codes import Topic
    from dpquery.policy.lint import Finding


class Report(StrEnum):
    """How findings are written."""

    TEXT = "text"
    JSON = "json"
    GITHUB = "github"


@dataclass(frozen=True, slots=True)
class Remark:
    """One finding about a policy file, or one error in it."""

    file: str
    severity: str
    """``info``, ``warning`` or ``error``."""
    code: str
    message: str
    hint: str | None
    place: Place | None
    whole: str | None = None
    """For an error in the file: the text that every verb shows for it."""


def check(
    policies: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="POLICY",
            show_default=False,
            help="Policy files, or folders of them; else that of -p.",
        ),
    ] = None,
    *,
    policy: PolicyOption = None,
    data: Annotated[
        bool,
        typer.Option(
            "--data", help="Also check against the data: keys unique, owners found."
        ),
    ] = False,
    form: Annotated[
        Report,
        typer.Option(
            "--format",
            metavar="|".join(Report),
            show_default=False,
            help="How to write findings: text (default), json, or github annotations.",
        ),
    ] = Report.TEXT,
    color: ColourOption = Colour.AUTO,
) -> None:
    """
    Check policies: is each one valid, and is it wise?

    Without --data no row is read. Exit status 0: nothing found; 1: warnings or
    errors; 3: a file is no policy.
    """
    talk.choose_colour(color)
    remarks: list[Remark] = []
    paths = [file for path in policies or [policy_path(policy)] for file in _in(path)]
    for path in paths:
        remarks += _check_one(path, data=data)
    _report(remarks, form)
    talk.say(f"{len(paths)} checked, {len(remarks) or 'nothing'} found")
    if any(each.whole is not None for each in remarks):
        raise typer.Exit(Exit.NO_POLICY)
    if any(each.severity != "info" for each in remarks):
        raise typer.Exit(Exit.FINDINGS)


def docs(
    code: Annotated[
        str | None,
        typer.Argument(metavar="CODE", show_default=False, help="Such as DPQ110."),
    ] = None,
) -> None:
    """Explain an error code; without one, list them all."""
    from dpquery.errors.codes import TOPICS  # noqa: PLC0415 -- a long text

    if code is None:
        lines = [f"{each.code}  {each.title}" for each in TOPICS.values()]
        to_stdout(("\n".join(lines) + "\n").encode())
        return
    name = code.upper()
    if not name.startswith(("DPQ", "P")):
        name = f"DPQ{code}"
    if name not in TOPICS:
        close = sorted(TOPICS, key=lambda code: -alike(code, name))[:3]
        close = [code for code in close if alike(code, name) >= len("DPQ40")]
        raise UsageError(
            f"there is no code {code[:40]!r}",
            code="DPQ411",
            hint=f"did you mean {', '.join(close)}?"
            if close
            else "dpquery docs lists all codes",
        )
    to_stdout(_topic(TOPICS[name]).encode())


def _in(path: Path) -> list[Path]:
    """Return the YAML files in a folder, or *path* itself."""
    files = [
        each
        for pattern in ("*.yaml", "*.yml")
        for each in (path.glob(pattern) if path.is_dir() else ())
    ]
    return sorted(files) or [path]


def _check_one(path: Path, *, data: bool) -> list[Remark]:
    """Return what is to say about one policy; all its errors, or its findings."""
    from dpquery.policy.load import problems  # noqa: PLC0415 -- --help needs no YAML

    if wrong := problems(path):
        return [_error(path, each) for each in wrong]
    try:
        return [_finding(path, each) for each in _findings(path, data=data)]
    except PolicyError as wrong_on_this_data:
        return [_error(path, wrong_on_this_data)]


def _findings(path: Path, *, data: bool) -> list[Finding]:
    """Return the findings; without a database, those that need none."""
    from dpquery.policy.lint import lint  # noqa: PLC0415
    from dpquery.policy.load import load  # noqa: PLC0415
    from dpquery.service import Service  # noqa: PLC0415

    try:
        with Service.open(path, in_force=False) as service:
            return list(service.check(data=data))
    except (EngineFailure, LedgerError) as failure:
        if data:
            raise
        talk.say(f"note    {path}: checked without its database ({failure.code})")
        return list(lint(load(path), None))


def _finding(path: Path, found: Finding) -> Remark:
    return Remark(
        file=str(path),
        severity=str(found.severity),
        code=found.code,
        message=found.message,
        hint=found.hint,
        place=found.place,
    )


def _error(path: Path, wrong: PolicyError) -> Remark:
    return Remark(
        file=str(path),
        severity="error",
        code=wrong.code,
        message=wrong.message,
        hint=wrong.hint,
        place=wrong.place,
        whole=str(wrong),
    )


def _report(remarks: list[Remark], form: Report) -> None:
    """Write findings to stdout; in text, what is wrong with a file is an error."""
    match form:
        case Report.TEXT:
            for each in remarks:
                if each.whole is None:
                    to_stdout(f"{_text(each)}\n".encode())
                else:
                    talk.say(each.whole)
        case Report.JSON:
            to_stdout(_json(remarks).encode())
        case Report.GITHUB:
            to_stdout("".join(f"{_github(each)}\n" for each in remarks).encode())
        case _:
            assert_never(form)


def _text(remark: Remark) -> str:
    """Write a finding as compilers do: file:line:column first."""
    at = remark.file
    if remark.place is not None:
        at += f":{remark.place.line}:{remark.place.column}"
    text = f"{at}: {remark.severity} {remark.code}  {remark.message}"
    return text if remark.hint is None else f"{text}\n  hint: {remark.hint}"


def _json(remarks: list[Remark]) -> str:
    records = [
        {
            "file": each.file,
            "line": each.place and each.place.line,
            "column": each.place and each.place.column,
            "severity": each.severity,
            "code": each.code,
            "message": each.message,
            "hint": each.hint,
        }
        for each in remarks
    ]
    return json.dumps(records, ensure_ascii=False, indent=1) + "\n"


def _github(remark: Remark) -> str:
    """
    Write a workflow command that annotates the line in a pull request.

    The escapes are those of the actions toolkit's ``command.ts``.
    """
    level = {"info": "notice"}.get(remark.severity, remark.severity)
    fields = {"file": remark.file}
    if remark.place is not None:
        fields |= {"line": str(remark.place.line), "col": str(remark.place.column)}
    fields["title"] = remark.code
    head = ",".join(
        f"{key}={_escape(value).replace(':', '%3A').replace(',', '%2C')}"
        for key, value in fields.items()
    )
    message = (
        f"{remark.message}\nhint: {remark.hint}" if remark.hint else remark.message
    )
    return f"::{level} {head}::{_escape(message)}"


def _escape(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _topic(topic: Topic) -> str:
    """Lay a topic out as a page."""
    import textwrap  # noqa: PLC0415 -- only a page needs it

    parts = [f"{topic.code}  {topic.title}"]
    parts += [
        "\n".join(textwrap.wrap(part, width=78, break_long_words=False))
        for part in (topic.meaning, f"What to do: {topic.remedy}")
    ]
    return "\n\n".join(parts) + "\n"


def alike(code: str, other: str) -> int:
    """Return in how many places two codes have the same character."""
    return sum(a == b for a, b in zip(code, other, strict=False))
