"""Every help text, and docs/cli.md made of them; `DPQUERY_UPDATE_GOLDENS=1` renews."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import typer

from dpquery.cli.app import app

if TYPE_CHECKING:
    from collections.abc import Callable

    Command = Callable[..., "object"]

ROOT = Path(__file__).parents[3]
VERBS = (
    "query",
    "price",
    "tables",
    "profile",
    "budget",
    "history",
    "request",
    "requests",
    "approve",
    "deny",
    "init",
    "check",
    "diff",
    "simulate",
    "docs",
    "audit",
    "receipt",
)
MEMBERS = (
    "audit verify",
    "audit export",
    "audit accept",
    "receipt export",
    "receipt verify",
)
PREFACE = """# The command line

Made from the help texts by `DPQUERY_UPDATE_GOLDENS=1 pytest tests/unit/cli`.
"""


def agree(path: Path, text: str) -> None:
    if os.environ.get("DPQUERY_UPDATE_GOLDENS") == "1":
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


@pytest.mark.parametrize("verb", ["", *VERBS, *MEMBERS])
def test_help(verb: str, command: Command) -> None:
    got = command(*verb.split(), "--help")
    assert (got.status, got.err) == (0, "")
    name = verb.replace(" ", "-") or "dpquery"
    agree(ROOT / "tests" / "golden" / "help" / f"{name}.txt", got.out)


def test_the_goldens_cover_every_verb() -> None:
    commands = typer.main.get_command(app).commands
    assert tuple(commands) == VERBS
    assert (
        tuple(
            f"{name} {member}"
            for name, each in commands.items()
            for member in getattr(each, "commands", ())
        )
        == MEMBERS
    )


def test_help_tells_no_colour_and_fits_eighty_columns(command: Command) -> None:
    for verb in (*VERBS, *MEMBERS):
        out = command(*verb.split(), "-h").out
        assert "\x1b" not in out
        assert max(len(line) for line in out.splitlines()) <= 80
        assert "Examples:" in out


def test_reference_page(command: Command) -> None:
    parts = [PREFACE]
    for verb in ("", *VERBS, *MEMBERS):
        text = command(*verb.split(), "--help").out
        title = f"dpquery {verb}".strip()
        parts.append(f"## {title}\n\n```text\n{text}```\n")
    agree(ROOT / "docs" / "cli.md", "\n".join(parts))
