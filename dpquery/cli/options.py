"""The options that every verb shares, and what they open."""

from __future__ import annotations

import codecs
import shutil
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dpquery.cli.output import destination
from dpquery.cli.render import (
    SUFFIXES,
    Format,
    Screen,
    check_library,
    render,
    render_all,
)
from dpquery.cli.talk import Colour, UsageError, choose_colour, coloured, is_terminal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from dpquery.cli.render import Sheet
    from dpquery.service import Service

PolicyOption = Annotated[
    Path | None,
    typer.Option(
        "-p",
        "--policy",
        envvar="DPQUERY_POLICY",
        metavar="FILE",
        help="The owner's policy: what may be asked, and at what price.",
    ),
]
AnalystOption = Annotated[
    str | None,
    typer.Option(
        "--as",
        envvar="DPQUERY_ANALYST",
        metavar="ANALYST",
        help="Who asks; not needed when the policy names one analyst only.",
    ),
]
FormatOption = Annotated[
    Format | None,
    typer.Option(
        "--format",
        metavar="|".join(Format),
        help="How to write data; by default the suffix of -o decides, else table on "
        "a terminal and csv when piped. bars are drawn in text, html is a page with "
        "a chart.",
    ),
]
OutputOption = Annotated[
    Path | None,
    typer.Option("-o", "--output", metavar="FILE", help="Write data here, not stdout."),
]
ColourOption = Annotated[
    Colour,
    typer.Option(
        "--color",
        metavar="|".join(Colour),
        show_default=False,
        help="Colour terminals (auto); NO_COLOR and FORCE_COLOR count too.",
    ),
]


@dataclass(frozen=True, slots=True)
class Target:
    """Where data goes, and how it is written."""

    form: Format
    path: Path | None

    @contextmanager
    def open(self) -> Iterator[Callable[[Sheet], None]]:
        """
        Yield what writes the one sheet of a verb, after checking that it can.

        Raises:
            ConfigError: The format needs a library (DPQ403), or the file cannot be
                written (DPQ405, DPQ407).
        """
        check_library(self.form)
        with destination(self.path) as write:
            yield lambda sheet: write(render(sheet, self.form, self._screen()))

    @contextmanager
    def open_all(self) -> Iterator[Callable[[Sequence[Sheet]], None]]:
        """
        Yield what writes all the sheets of a verb, an empty line between them.

        Raises:
            ConfigError: As :meth:`open`.
        """
        check_library(self.form)
        with destination(self.path) as write:
            yield lambda sheets: write(render_all(sheets, self.form, self._screen()))

    def _screen(self) -> Screen:
        """Return what stdout can show; a file has 80 columns, no colour, and UTF-8."""
        if self.path is not None or sys.stdout is None:
            return Screen()
        width = 80
        if is_terminal(sys.stdout):
            width = shutil.get_terminal_size().columns
        # What is written is UTF-8: a terminal of anything else would show other signs.
        encoding = getattr(sys.stdout, "encoding", None) or "ascii"
        unicode = codecs.lookup(encoding).name == "utf-8"
        return Screen(coloured(sys.stdout), width, unicode)


def target(form: Format | None, path: Path | None, colour: Colour) -> Target:
    """
    Read ``--format``, ``-o`` and ``--color`` together.

    Raises:
        UsageError: Parquet is bytes, so it needs a file (DPQ408).
    """
    choose_colour(colour)
    to_stdout = path is None or str(path) == "-"
    if form is None and path is not None:
        form = SUFFIXES.get(path.suffix.lower())
    if form is None:
        form = Format.TABLE if to_stdout and is_terminal(sys.stdout) else Format.CSV
    if form is Format.PARQUET and to_stdout:
        raise UsageError(
            "parquet is not text: it needs a file",
            code="DPQ408",
            hint="add -o answer.parquet",
        )
    return Target(form, None if to_stdout else path)


def open_service(policy: Path | None) -> Service:
    """
    Open the service of *policy*.

    Raises:
        UsageError: No policy is named (DPQ400).
    """
    path = policy_path(policy)
    from dpquery.service import Service  # noqa: PLC0415 -- --help needs no database

    return Service.open(path)


def policy_path(policy: Path | None) -> Path:
    """
    Return the policy's path.

    Raises:
        UsageError: No policy is named (DPQ400).
    """
    if policy is None:
        raise UsageError(
            "no policy is named",
            code="DPQ400",
            hint="add -p policies/clinic.yaml, or set DPQUERY_POLICY",
        )
    return policy


def analyst_name(analyst: str | None, policy: Path | None) -> str:
    """
    Return who asks: the one named, or the policy's only analyst.

    Raises:
        UsageError: Nobody is named and the policy knows several (DPQ409).
        PolicyError: The policy cannot be read.
    """
    if analyst is not None:
        return analyst
    from dpquery.policy.load import load  # noqa: PLC0415 -- --help needs no pydantic

    names = sorted(load(policy_path(policy)).policy.analysts)
    if len(names) == 1:
        return names[0]
    raise UsageError(
        "who asks?",
        code="DPQ409",
        hint=f"add --as {' or --as '.join(names)}, or set DPQUERY_ANALYST"
        if names
        else "the policy names no analysts: its owner adds them under `analysts:`",
    )
