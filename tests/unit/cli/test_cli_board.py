"""What budget, request, requests, approve and deny write where."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from dpquery.cli import board
from dpquery.cli.talk import Talk
from dpquery.errors import ConfigError
from dpquery.service.alerts import LOG

if TYPE_CHECKING:
    from collections.abc import Callable

    Command = Callable[..., Any]
    Fake = Any  # the fakes of conftest.py, which tests cannot import

ROOT = Path(__file__).parents[3]
HEADER = (
    "analyst,total_epsilon,total_delta,spent_epsilon,spent_delta,"
    "remaining_epsilon,remaining_delta"
)


def test_budget(command: Command, service: Fake) -> None:
    got = command("budget")
    assert got.out == HEADER + "\nalice,3,1e-06,0,0,3,1e-06\n"
    assert got.err == ""
    assert service.analysts == ["alice"]


def test_budget_tells_what_became_of_requests(command: Command, service: Fake) -> None:
    service.session_.found = service.requests(decided=True)
    err = command("budget").err
    assert "request 1 of alice: ε 1 more · approved, ε 0.5, until 2024-03-30T" in err
    assert ": half of it\n" in err
    assert "request 2 of alice: ε 0.5 more · open\n" in err


def test_the_board_as_data(command: Command) -> None:
    rows = json.loads(command("budget", "--all", "--format", "json").out)
    assert [(row["kind"], row["name"], row["analyst"]) for row in rows] == [
        ("dataset", "(dataset)", "(dataset)"),
        ("analyst", "alice", "alice"),
        ("block", "2024-02", None),
        ("table", "visits", None),
        ("day", "2024-02-26", None),
        ("day", "2024-02-29", None),
        ("request", "2", "alice"),
    ]
    assert rows[0]["queries_left"] == 14
    assert rows[0]["days_left"] == 9.2
    assert rows[0]["share"] == 0.25
    assert rows[1]["granted_epsilon"] == 0.5
    assert rows[3]["releases"] == 3
    assert rows[6]["total_epsilon"] == 0.5
    assert command("budget", "--all").out.startswith(HEADER + ",kind,name,")


def test_the_board_for_a_person(command: Command) -> None:
    got = command("budget", "--all", "--format", "table")
    assert "exhausted in about 9 days at the rate of the last 7 days" in got.out
    assert "no forecast" in got.out
    assert "block 2024-02" in got.out
    assert "25.0%" in got.out
    assert "visits" in got.out
    assert "left      about 14 more queries like the usual one (ε 0.2)" in got.err
    assert "by day    ▃  █  since 2024-02-26" in got.err
    assert "asks      request 2 of alice" in got.err
    assert "\x1b" not in got.err


@pytest.mark.parametrize("form", ["csv", "json", "jsonl", "markdown", "table"])
def test_the_board_into_a_file(form: str, command: Command, tmp_path: Path) -> None:
    path = tmp_path / "board"
    got = command("budget", "--all", "--format", form, "-o", path)
    assert (got.status, got.out) == (0, "")
    assert "visits" in path.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "arguments", [("5",), ("--watch", "0"), ("--watch", "nan"), ("--watch", "1e9")]
)
def test_no_pause(arguments: tuple[str, ...], command: Command, service: Fake) -> None:
    got = command("budget", *arguments)
    assert (got.status, got.err[:6], service.opened) == (2, "DPQ444", [])


def test_watch_until_interrupted(
    command: Command, service: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(board.time, "sleep", sleep)
    got = command("budget", "--all", "--watch", "0.5")
    assert got.status == 130
    assert got.out.count(HEADER) == 3
    assert "interrupted" not in got.err
    assert pauses == [0.5] * 3
    assert service.reports == 3


WATCH = """
import sys
from dpquery.cli.app import run
sys.exit(run(["budget", "--all", "--watch", "0.2", "-p", sys.argv[1]]))
"""


@pytest.fixture
def ward(tmp_path: Path) -> Path:
    policy = tmp_path / "ward.yaml"
    policy.write_text(
        "version: 1\nname: ward\nsource: {files: {p: p.csv}}\nprivacy_unit: patient\n"
        "tables: {p: {privacy_unit_column: id, columns: {id: {}}}}\n"
        "budget: {epsilon: 1, delta: 1e-6}\nanalysts: {alice: {epsilon: 1}}\n",
        encoding="utf-8",
    )
    (tmp_path / "p.csv").write_text("id\n1\n2\n", encoding="utf-8")
    return policy


def watching(policy: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(  # noqa: S603 -- our own script
        [sys.executable, "-c", WATCH, str(policy)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )


def test_ctrl_c_ends_a_real_watch(ward: Path) -> None:
    process = watching(ward)
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(6)]
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert sum(line.startswith(HEADER) for line in lines) == 2
    assert "Traceback" not in err + out
    assert "interrupted" not in err


def test_a_watch_ends_when_its_reader_leaves(ward: Path) -> None:
    process = watching(ward)
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.close()
    end = time.monotonic() + 20
    while process.poll() is None and time.monotonic() < end:
        time.sleep(0.1)
    assert process.poll() == 0
    assert process.stderr is not None
    assert "Traceback" not in process.stderr.read()
    process.stderr.close()


# --- requests --------------------------------------------------------------------


def test_request(command: Command, service: Fake) -> None:
    got = command(
        "request", "--epsilon", "0.5", "--reason", "March", "--format", "json"
    )
    assert got.status == 0
    (row,) = json.loads(got.out)
    assert (row["id"], row["state"], row["epsilon"]) == (2, "open", 0.5)
    assert got.err == "request 2 is open: ε 0.5 more\n"
    assert service.session_.requested == [(0.5, "March")]


@pytest.mark.parametrize("epsilon", ["0", "-1", "nan", "inf", "1e999", ""])
def test_request_of_nothing(epsilon: str, command: Command, service: Fake) -> None:
    got = command("request", "--epsilon", epsilon, "--reason", "x")
    assert (got.status, got.out, got.err[:6]) == (2, "", "DPQ401")
    assert service.session_.requested == []


def test_requests_of_all_and_of_one(command: Command, service: Fake) -> None:
    rows = json.loads(command("requests", "--format", "json").out)
    assert [row["id"] for row in rows] == [2]
    rows = json.loads(command("requests", "--all", "--format", "json").out)
    assert [row["id"] for row in rows] == [1, 2]
    got = command("requests", "--as", "bob")
    assert got.err == "no requests\n"
    assert service.analysts == ["bob"]
    table = command("requests", "--format", "table").out
    assert "\x1b" not in table


def test_approve_and_deny(command: Command, service: Fake) -> None:
    got = command("approve", "1", "--epsilon", "0.5", "--expires", "30d")
    assert got.status == 0
    assert "note    the dataset has less" in got.err
    given = {"epsilon": 0.5, "expires": "30d", "reason": None}
    assert service.decided == [(1, given)]
    got = command("deny", "1", "--reason", "no")
    assert "request 1 of alice: ε 1 more · denied: half of it\n" in got.err
    assert command("deny", "1").status == 2


def test_what_is_wrong_with_a_decision_is_usage(
    command: Command, service: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    def approve(number: int, **_: object) -> None:
        raise ConfigError(f"there is no request {number}", code="DPQ440", hint="look")

    monkeypatch.setattr(service, "approve", approve)
    got = command("approve", "7")
    assert (got.status, got.out, got.err[:6]) == (2, "", "DPQ440")
    assert command("approve", "x").status == 2


# --- alerts on stderr ------------------------------------------------------------


def test_alerts_are_heard_once_and_only_by_people(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with Talk().hearing():
        LOG.warning("%s", "half is\x1b[2J spent")
    LOG.warning("not any more")
    with Talk(stats=True).hearing():
        LOG.warning("not among statistics")
    assert capsys.readouterr().err == "alert   half is\\x1b[2J spent\n"
