"""Who asks, exit statuses, colour and output files, whatever the verb."""

from __future__ import annotations

import importlib.util
import json
import re
import stat
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from dpquery import cli
from dpquery.errors import (
    AccessDenied,
    BudgetExceeded,
    ConfigError,
    EngineFailure,
    LedgerError,
    PolicyError,
    QueryRefused,
    SQLSyntaxError,
)
from dpquery.errors.codes import TOPICS

if TYPE_CHECKING:
    from collections.abc import Callable

    Command = Callable[..., Any]
    Fake = Any  # the fakes of conftest.py, which tests cannot import

SQL = "SELECT count(*) FROM visits"


def terminal(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """Let stdout or stderr pass for terminals."""
    for name in names:
        monkeypatch.setattr(getattr(sys, name), "isatty", lambda: True, raising=False)


def test_several_analysts(command: Command, policies: Fake, service: Fake) -> None:
    policies.names = ("bob", "alice")
    got = command("query", SQL)
    assert got.status == 2
    assert "--as alice or --as bob" in got.err
    assert command("query", SQL, "--as", "bob").status == 0
    assert service.analysts == ["bob"]


def test_analyst_from_the_environment(
    command: Command, policies: Fake, service: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    policies.names = ()
    assert command("query", SQL).status == 2
    monkeypatch.setenv("DPQUERY_ANALYST", "carol")
    assert command("query", SQL).status == 0
    assert service.analysts == ["carol"]


@pytest.mark.parametrize("verb", ["query", "price", "tables", "budget", "check"])
def test_no_policy(
    verb: str, command: Command, monkeypatch: pytest.MonkeyPatch, service: Fake
) -> None:
    monkeypatch.delenv("DPQUERY_POLICY")
    got = command(verb, *([SQL] if verb in ("query", "price") else []))
    assert (got.status, got.err[:6], service.opened) == (2, "DPQ400", [])


def test_the_flag_beats_the_environment(command: Command, service: Fake) -> None:
    assert command("tables", "-p", "bank.yaml").status == 0
    assert service.opened == ["bank.yaml"]


@pytest.mark.parametrize(
    ("failure", "status"),
    [
        (SQLSyntaxError("x"), 1),
        (QueryRefused("x"), 1),
        (PolicyError("x"), 3),
        (ConfigError("x"), 3),
        (BudgetExceeded("x"), 4),
        (AccessDenied("x"), 4),
        (EngineFailure("x"), 5),
        (LedgerError("x"), 5),
    ],
)
@pytest.mark.parametrize("verb", ["query", "price"])
def test_exit_status_of_an_error(
    verb: str, failure: Exception, status: int, command: Command, service: Fake
) -> None:
    service.session_.failure = failure
    got = command(verb, SQL)
    assert (got.status, got.out, got.err) == (status, "", f"{failure}\n")


@pytest.mark.parametrize(
    "wrong",
    [["qurey"], ["query", "--epsilom", "1"], ["query", "a", "b"], ["tables", "-p"]],
)
def test_usage_errors(wrong: list[str], command: Command, service: Fake) -> None:
    got = command(*wrong)
    assert (got.status, got.out, service.opened) == (2, "", [])
    assert "Error: " in got.err


def test_an_error_of_ours_shows_neither_its_text_nor_a_traceback(
    command: Command, service: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    service.session_.failure = RuntimeError("patient 17")
    got = command("query", SQL)
    assert (got.status, got.out, got.err[:6]) == (5, "", "DPQ999")
    assert "patient" not in got.err
    assert "Traceback" not in got.err
    monkeypatch.setenv("DPQUERY_DEBUG", "1")
    assert "Traceback" in command("query", SQL).err


def test_interrupt(command: Command, service: Fake) -> None:
    service.session_.failure = KeyboardInterrupt()
    got = command("query", SQL)
    assert (got.status, got.out) == (130, "")
    assert "a charge that was made stands" in got.err


@pytest.mark.parametrize(
    ("flags", "environment", "is_terminal", "colour"),
    [
        ([], {}, False, False),
        ([], {}, True, True),
        ([], {"TERM": "dumb"}, True, False),
        ([], {"NO_COLOR": "1"}, True, False),
        ([], {"NO_COLOR": ""}, True, True),
        ([], {"FORCE_COLOR": "1"}, False, True),
        ([], {"NO_COLOR": "1", "FORCE_COLOR": "1"}, True, False),
        (["--color", "never"], {"FORCE_COLOR": "1"}, True, False),
        (["--color", "always"], {"NO_COLOR": "1"}, False, True),
    ],
)
def test_colour(
    flags: list[str],
    environment: dict[str, str],
    is_terminal: bool,  # noqa: FBT001 -- a row of the table
    colour: bool,  # noqa: FBT001
    command: Command,
    service: Fake,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    if is_terminal:
        terminal(monkeypatch, "stdout", "stderr")
    table = command("query", SQL, "--format", "table", *flags)
    assert ("\x1b" in table.out) == colour
    service.session_.failure = QueryRefused("no")
    assert ("\x1b" in command("query", SQL, *flags).err) == colour


def test_the_suffix_chooses_the_format(command: Command, tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    got = command("query", SQL, "-o", path)
    assert (got.status, got.out) == (0, "")
    assert len(json.loads(path.read_text(encoding="utf-8"))) == 5
    assert command("query", SQL, "-o", path, "--format", "csv").status == 0
    assert path.read_text(encoding="utf-8").startswith("ward,")


def test_a_refusal_leaves_files_alone(
    command: Command, service: Fake, tmp_path: Path
) -> None:
    old, new = tmp_path / "old.csv", tmp_path / "new.csv"
    old.write_text("precious", encoding="utf-8")
    service.session_.failure = QueryRefused("no")
    assert command("query", SQL, "-o", old).status == 1
    assert command("query", SQL, "-o", new).status == 1
    assert old.read_text(encoding="utf-8") == "precious"
    assert not new.exists()


def test_nothing_is_asked_for_an_output_that_cannot_be(
    command: Command, service: Fake, tmp_path: Path
) -> None:
    for path in (tmp_path, tmp_path / "none" / "a.csv"):
        got = command("query", SQL, "-o", path)
        assert (got.status, got.err[:6]) == (3, "DPQ405")
    assert service.session_.asked == []


def test_parquet_needs_a_file(command: Command, service: Fake, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    got = command("query", SQL, "--format", "parquet")
    assert (got.status, got.err[:6]) == (2, "DPQ408")
    assert service.opened == []
    assert command("query", SQL, "-o", tmp_path / "a.parquet").status == 0
    assert (tmp_path / "a.parquet").read_bytes()[:4] == b"PAR1"


def test_parquet_needs_its_library_before_the_charge(
    command: Command, service: Fake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    got = command("query", SQL, "-o", tmp_path / "a.parquet")
    assert (got.status, got.err[:6]) == (3, "DPQ403")
    assert "pip install" in got.err
    assert service.session_.asked == []


def test_a_device_is_no_file_to_replace(command: Command, tmp_path: Path) -> None:
    null = tmp_path / "null"
    null.symlink_to("/dev/null")
    assert command("query", SQL, "-o", null).status == 0
    assert stat.S_ISCHR(null.stat().st_mode)


def test_a_full_disk_is_said(command: Command) -> None:
    got = command("query", SQL, "-o", "/dev/full")
    assert (got.status, got.err[:6]) == (3, "DPQ407")
    assert "replayed for nothing" in got.err


@pytest.mark.parametrize(
    "name", ["asking", "lists", "options", "output", "owner", "render"]
)
def test_every_code_of_the_command_line_has_a_topic(name: str) -> None:
    source = Path(cli.__file__).with_name(f"{name}.py").read_text(encoding="utf-8")
    codes = re.findall(r"DPQ[0-9]{3}", source)
    assert codes
    assert set(codes) <= {*TOPICS, "DPQ110"}  # DPQ110 is the example of `docs`
