"""What query and price write where."""

from __future__ import annotations

import importlib.util
import io
import json
import sys
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from dpquery.cli.talk import PATIENCE
from dpquery.results import Expected, Interval

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Command = Callable[..., Any]
    Fake = Any  # the fakes of conftest.py, which tests cannot import

SQL = "SELECT count(*) FROM visits"


def stdin_of(monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))


def terminal(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """Let stdout or stderr pass for terminals."""
    for name in names:
        monkeypatch.setattr(getattr(sys, name), "isatty", lambda: True, raising=False)


def test_data_on_stdout_and_talk_on_stderr(command: Command, service: Fake) -> None:
    got = command("query", SQL)
    assert got.status == 0
    assert got.out.startswith(
        "ward,seen,at,cost,open,n,n_low,n_high,share,share_low,share_high\nÅlesund,"
    )
    assert got.err == (
        "price   ε 0.2, δ 1e-10 · ε 2.8 of 3 left; about 14 more queries like this\n"
        "note    small groups were withheld\n"
    )
    assert service.session_.asked == [(SQL, None, "duckdb")]
    assert (service.opened, service.analysts) == (["clinic.yaml"], ["alice"])


def test_epsilon_and_dialect_arrive(command: Command, service: Fake) -> None:
    assert command("query", SQL, "--epsilon", "0.5", "--dialect", "spark").status == 0
    assert service.session_.asked == [(SQL, 0.5, "spark")]


def test_a_time_arrives(command: Command, service: Fake) -> None:
    assert command("query", SQL, "--as-of", "2026-11").status == 0
    assert service.session_.as_of == "2026-11"


@pytest.mark.parametrize("verb", ["query", "price"])
def test_what_is_made_of_cells_arrives(
    command: Command, service: Fake, verb: str
) -> None:
    for options in ((), ("--nonnegative",), ("--monotone", "--other")):
        assert command(verb, SQL, *options).status == 0
        assert service.session_.options == {
            "nonnegative": "--nonnegative" in options,
            "monotone": "--monotone" in options,
            "other": "--other" in options,
        }


def test_quiet_says_nothing(command: Command) -> None:
    assert command("query", SQL, "-q").err == ""


def test_a_replay_charges_nothing(
    command: Command, service: Fake, release_of: Callable[..., Any]
) -> None:
    service.session_.release = release_of(replayed=True)
    assert command("query", SQL).err.startswith("price   replayed: nothing was charged")


def test_stats_is_exactly_one_json_line(command: Command) -> None:
    got = command("query", SQL, "--stats")
    assert got.err.count("\n") == 1
    assert json.loads(got.err) == {
        "release": "rel_1",
        "replayed": False,
        "price": {"epsilon": 0.2, "delta": 1e-10, "rho": 0.0011},
        "remaining": {"epsilon": 2.8, "delta": 9e-7},
        "notes": ["small groups were withheld"],
    }


def test_explain_goes_to_stderr(command: Command) -> None:
    got = command("query", SQL, "--explain", "-q")
    assert got.err == "1. count visits\n2. add noise\n"


def test_no_intervals(command: Command) -> None:
    got = command("query", SQL, "--no-intervals")
    assert got.out.startswith("ward,seen,at,cost,open,n,share\n")


def test_simultaneous(command: Command, service: Fake) -> None:
    asked: list[float] = []
    made = service.session_.release

    def intervals(confidence: float) -> dict[str, list[Interval | None]]:
        asked.append(confidence)
        rest: list[Interval | None] = [None] * (len(made.rows) - 2)
        return {"n": [Interval(1.0, 2.0), Interval(1.0, 2.0), *rest]}

    service.session_.release = replace(made, _intervals=intervals)
    command("query", SQL, "--format", "json")
    assert asked == [0.95]
    asked.clear()
    command("query", SQL, "--simultaneous", "--format", "json")
    assert asked == [0.95, pytest.approx(0.975)]  # two share the chance to miss


def test_json(command: Command) -> None:
    first = json.loads(command("query", SQL, "--format", "json").out)[0]
    assert list(first)[5:8] == ["n", "n_low", "n_high"]
    assert (first["ward"], first["seen"], first["n_low"]) == (
        "Ålesund",
        "2024-02-29",
        28.9,
    )


def test_table_on_a_terminal(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal(monkeypatch, "stdout")
    monkeypatch.setenv("TERM", "xterm")
    got = command("query", SQL)
    assert "41 ± 12" in got.out
    assert "\x1b[2mNULL" in got.out


def test_sql_from_a_file(command: Command, service: Fake, tmp_path: Path) -> None:
    path = tmp_path / "q.sql"
    path.write_bytes(b"\xef\xbb\xbfSELECT '\xc3\xa9'")
    assert command("query", "-f", path).status == 0
    assert service.session_.asked[0][0] == "SELECT 'é'"


@pytest.mark.parametrize("how", [("-",), ("-f", "-")])
def test_sql_from_stdin(
    how: tuple[str, ...],
    command: Command,
    service: Fake,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stdin_of(monkeypatch, b"SELECT 1\n")
    assert command("query", *how).status == 0
    assert service.session_.asked[0][0] == "SELECT 1\n"


@pytest.mark.parametrize("verb", ["query", "price"])
@pytest.mark.parametrize("how", [(), (SQL, "-f", "q.sql"), ("-", "-f", "q.sql")])
def test_sql_comes_from_one_place(
    verb: str, how: tuple[str, ...], command: Command, service: Fake
) -> None:
    got = command(verb, *how)
    assert (got.status, got.out) == (2, "")
    assert got.err.startswith("DPQ406")
    assert "hint:" in got.err
    assert service.opened == []


def test_unreadable_files(command: Command, tmp_path: Path) -> None:
    latin = tmp_path / "latin.sql"
    latin.write_bytes(b"SELECT '\xe9'")
    huge = tmp_path / "huge.sql"
    huge.write_bytes(b" " * (1 << 21))
    for path, text in [
        (tmp_path / "none.sql", "no such file"),
        (tmp_path, "is a directory"),
        (latin, "not UTF-8 text: byte 9"),
        (huge, "longer than any query"),
    ]:
        got = command("query", "-f", path)
        assert (got.status, got.out, got.err[:6]) == (3, "", "DPQ404")
        assert text in got.err


@pytest.mark.parametrize(
    "text",
    [
        "nan",
        "inf",
        "-1",
        "0",
        "0.0",
        "-0.0",
        "+1",
        "1.",
        ".5",
        ".",
        "..5",
        "1e999",
        "1e-320",
        "1_0",
        "0x1",
        "٣",
        "1,5",
        "12345678901",
        "",
        " 1",
        "1\n",
        "0.1234567890123",
        "true",
    ],
)
def test_epsilon_is_read_strictly(text: str, command: Command, service: Fake) -> None:
    got = command("query", SQL, "--epsilon", text)
    assert (got.status, got.err[:6], service.opened) == (2, "DPQ401", [])


DRY = """answerable   policy clinic, analyst alice
price        ε 0.2, δ 1e-10
budget       ε 3 left of 3 → 2.8     about 14 more queries like this
expect       count ± 12.2 · total ± 1 890 · m: depends on the data     (95 %)
note         wards with few patients may be missing
nothing was charged and no data was read
"""


@pytest.mark.parametrize("verb", ["query", "price"])
def test_an_accuracy_arrives(verb: str, command: Command, service: Fake) -> None:
    options = ("--within", "5%", "--confidence", ".9", "--max-epsilon", "0.5")
    assert command(verb, SQL, *options).status == 0
    shaping = {"other", "nonnegative", "monotone"}
    asked = {"within": "5%", "confidence": 0.9, "max_epsilon": 0.5}
    assert service.session_.options == asked | dict.fromkeys(shaping, False)


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (("--within", "5%", "--epsilon", "1"), "DPQ418"),
        (("--max-epsilon", "1"), "DPQ418"),
        (("--confidence", ".9"), "DPQ418"),
        (("--within", "5%", "--confidence", "95"), "DPQ402"),
        (("--within", "5%", "--max-epsilon", "-1"), "DPQ401"),
        (("--within", "5%", "--as-of", "last"), "DPQ418"),
        (("--within", "five"), "DPQ417"),
        (("--within", "0"), "DPQ417"),
        (("--within", "100%"), "DPQ417"),
    ],
)
def test_accuracies_that_make_no_sense(
    options: tuple[str, ...], code: str, command: Command, service: Fake
) -> None:
    got = command("query", SQL, *options)
    assert got.status == 2
    assert code in got.err
    assert service.session_.asked == []


@pytest.mark.parametrize("how", [("query", "--dry-run"), ("price",)])
def test_dry_run(how: tuple[str, ...], command: Command, service: Fake) -> None:
    got = command(*how, SQL)
    assert (got.status, got.out, got.err) == (0, "", DRY)
    assert service.session_.asked == []
    assert service.session_.priced == [(SQL, None, "duckdb")]


def test_dry_run_as_json(command: Command) -> None:
    got = command("price", SQL, "--format", "json")
    assert json.loads(got.out) == {
        "epsilon": 0.2,
        "delta": 1e-10,
        "rho": 0.0011,
        "remaining": {"epsilon": 2.8, "delta": 9e-7},
        "queries_left": 14,
        "expected": [
            {
                "column": "count",
                "half_width": 12.2,
                "assuming": None,
                "rank_error": None,
            },
            {
                "column": "total",
                "half_width": 1894.3,
                "assuming": None,
                "rank_error": None,
            },
            {
                "column": "m",
                "half_width": None,
                "assuming": None,
                "rank_error": None,
            },
        ],
        "notes": ["wards with few patients may be missing"],
    }
    assert got.err == DRY


def test_a_dry_run_says_what_is_chosen_in_rows(command: Command, service: Fake) -> None:
    cost = service.session_.cost
    chosen = Expected("m", None, "a larger group", 14.21)
    service.session_.cost = replace(cost, expected=(chosen,))
    got = command("price", SQL, "--format", "json")
    assert "expect       m ± 14.2 rows in rank for a larger group     (95 %)" in got.err
    assert json.loads(got.out)["expected"] == [
        {
            "column": "m",
            "half_width": None,
            "assuming": "a larger group",
            "rank_error": 14.21,
        }
    ]


def test_dry_run_says_which_format_it_has_not(command: Command) -> None:
    got = command("price", SQL, "--format", "csv")
    assert (got.status, got.out) == (0, "")
    assert got.err.endswith("or --format json\n")


def test_dry_run_with_stats_and_explain(command: Command, service: Fake) -> None:
    got = command("price", SQL, "--stats", "--explain")
    *plan, stats = got.err.splitlines()
    assert plan == ["1. count visits", "2. add noise"]
    assert json.loads(stats)["release"] is None
    assert json.loads(stats)["remaining"] == {"epsilon": 2.8, "delta": 9e-7}
    assert service.session_.asked == []


# --- for people ----------------------------------------------------------------------


def test_a_page_is_written_for_its_suffix(command: Command, tmp_path: Path) -> None:
    got = command("query", SQL, "-o", tmp_path / "report.html")
    assert (got.status, got.out) == (0, "")
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert text.startswith("<!DOCTYPE html>")
    for each in ("<svg ", "41 ± 12", SQL, "small groups were withheld", "rel_1"):
        assert each in text
    assert command("query", SQL, "--format", "html").out.startswith("<!DOCTYPE")
    plain = command("query", SQL, "--format", "html", "--no-intervals").out
    assert "41 ± 12" not in plain
    assert "95 % intervals" not in plain


def test_a_page_needs_altair_before_the_charge(
    command: Command, service: Fake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name: None if name == "vl_convert" else real(name),
    )
    got = command("query", SQL, "-o", tmp_path / "report.html")
    assert got.status == 3
    assert "DPQ403" in got.err
    assert "pip install 'dpquery[plot]'" in got.err
    assert service.session_.asked == []
    assert not (tmp_path / "report.html").exists()


def test_bars_fill_a_terminal_and_80_columns_of_a_pipe(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def widest() -> int:
        return max(map(len, command("query", SQL, "--format", "bars").out.splitlines()))

    monkeypatch.setenv("COLUMNS", "120")
    assert widest() == 80
    terminal(monkeypatch, "stdout")
    assert widest() == 120


def test_other_verbs_have_pages_of_tables_and_no_bars(command: Command) -> None:
    page = command("tables", "--format", "html").out
    assert page.count("<!DOCTYPE html>") == 1
    assert "<td>visits</td>" in page
    bars = command("tables", "--format", "bars").out
    assert bars == command("tables", "--format", "table").out
    assert command("budget", "--all", "--format", "html").out.count("<table>") == 2


# --- long work -----------------------------------------------------------------------


class Impatient:
    """A timer that fires at once."""

    def __init__(self, seconds: float, action: Callable[[], None]) -> None:
        assert seconds == PATIENCE
        self.start = action

    def cancel(self) -> None:
        pass

    def join(self) -> None:
        pass


def test_progress_is_a_constant_that_goes_away(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(threading, "Timer", Impatient)
    quiet = command("query", SQL).err
    terminal(monkeypatch, "stderr")
    line = "working … Ctrl-C stops; a charge that was made stands\r\x1b[K"
    assert command("query", SQL).err == line + quiet
    assert command("query", SQL, "--stats").err.count("working") == 0
    assert command("query", SQL, "-q").err == ""
