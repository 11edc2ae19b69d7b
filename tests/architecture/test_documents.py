"""The documents are about the code that is there."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

import pytest

import dpquery
from dpquery.cli.app import app

ROOT = Path(__file__).parents[2]
PRODUCT = sorted((ROOT / "dpquery").rglob("*.py"))
DOCUMENTS = (
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "docs/architecture.md",
    "docs/privacy.md",
)


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def first_screen() -> list[str]:
    """Return the commands in the first shell blocks of README, one block each."""
    head = text("README.md").split("\n## ")[0]
    return re.findall(r"```sh\n(.*?)\n```", head, flags=re.DOTALL)


def test_the_first_screen_has_two_commands_of_one_line() -> None:
    commands = first_screen()
    assert len(commands) == 2
    assert all("\n" not in each for each in commands)
    answer, tests = ([*shlex.split(each)] for each in commands)
    assert answer[:4] == ["python3", "-m", "venv", ".venv"]
    assert answer[answer.index("-p") + 1] == "policies/clinic.yaml"
    assert tests[:4] == ["python3", "-m", "venv", ".venv-test"]
    assert tests[-1] == ".venv-test/bin/pytest"


def test_the_gate_runs_the_very_commands_of_the_first_screen() -> None:
    printed = subprocess.run(  # noqa: S603 -- our own script
        ["bash", str(ROOT / ".ci/run"), "--commands"],  # noqa: S607 -- any bash
        capture_output=True,
        text=True,
        check=True,
    )
    assert printed.stdout.splitlines() == first_screen()


def test_the_gate_runs_every_check() -> None:
    gate = text(".ci/run")
    assert gate.startswith("#!/usr/bin/env bash\n")
    assert "set -euo pipefail" in gate
    for check in ("ruff check", "ruff format --check", "mypy", "lint-imports"):
        assert f"run $tools/{check}" in gate
    assert '"${commands[@]}"' in gate


def test_the_map_names_every_file() -> None:
    """A line ``├── name.py`` in a block, below the line of its package."""
    found = text("docs/architecture.md")
    missing = [
        path.relative_to(ROOT).as_posix()
        for path in PRODUCT
        if path.name != "__init__.py" and not re.search(rf"\b{path.name}\b", found)
    ]
    assert missing == []
    packages = {path.parent.name for path in PRODUCT}
    assert sorted(p for p in packages if f"{p}/" not in found) == []


@pytest.mark.parametrize("name", DOCUMENTS)
def test_documents_name_files_that_exist(name: str) -> None:
    known = {path.relative_to(ROOT).as_posix() for path in PRODUCT}
    named = re.findall(r"`((?:dpquery/)?[a-z_]+/[a-z_/]+\.py)`", text(name))
    wrong = [
        each
        for each in named
        if each not in known
        and f"dpquery/{each}" not in known
        and not (ROOT / each).exists()
    ]
    assert wrong == []


@pytest.mark.parametrize("name", DOCUMENTS)
def test_links_lead_somewhere(name: str) -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", text(name))
    folder = (ROOT / name).parent
    assert [link for link in links if not (folder / link).exists()] == []


def test_privacy_names_functions_that_exist() -> None:
    """``file.py`` (`function`): the pairs the argument is tied to."""
    pairs = re.findall(r"`([a-z_/]+\.py)` \(`([\w.]+)`\)", text("docs/privacy.md"))
    assert len(pairs) > 30
    wrong = []
    for name, function in pairs:
        path = ROOT / "dpquery" / name
        last = function.split(".")[-1]
        defined = rf"^\s*(def|class) {last}\b|^\s*{last}\b.*="
        there = path.exists() and re.search(
            defined, path.read_text(encoding="utf-8"), flags=re.MULTILINE
        )
        if not there:
            wrong.append((name, function))
    assert wrong == []


def test_every_verb_is_in_the_readme() -> None:
    verbs = [command.callback.__name__ for command in app.registered_commands]
    assert len(verbs) >= 7
    readme = text("README.md")
    assert [each for each in verbs if f"| `{each} " not in readme] == [
        each for each in verbs if each in {"budget", "history"}
    ]
    assert "| `budget`" in readme
    assert "| `history`" in readme


def test_every_exit_status_is_in_the_readme() -> None:
    statuses = {
        kind.exit_status
        for kind in vars(dpquery.errors).values()
        if isinstance(kind, type) and issubclass(kind, dpquery.DPQueryError)
    }
    for status in {0, 2, 130} | statuses:
        assert f"| {status} |" in text("README.md")


def test_the_changelog_has_a_privacy_heading_and_the_licence_is_whole() -> None:
    assert "### Privacy" in text("CHANGELOG.md")
    licence = text("LICENSE")
    assert "Apache License" in licence
    assert "END OF TERMS AND CONDITIONS" in licence
    assert f'version = "{dpquery.__version__}"' in text("pyproject.toml")
