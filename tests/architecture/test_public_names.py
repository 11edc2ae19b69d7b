"""The names that other people's scripts rely on."""

from __future__ import annotations

import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import dpquery
from dpquery import results

ROOT = Path(__file__).parents[2]

ERRORS = {
    "AccessDenied": 4,
    "BudgetExceeded": 4,
    "ConfigError": 3,
    "DPQueryError": 5,
    "EngineFailure": 5,
    "LedgerError": 5,
    "PolicyError": 3,
    "QueryRefused": 1,
    "RemoteError": 5,
    "SQLSyntaxError": 1,
}
NAMES = {
    *ERRORS,
    "Budget",
    "Interval",
    "Policy",
    "Price",
    "Release",
    "Service",
    "Session",
    "__version__",
    "connect",
}


def test_all_is_complete_and_sorted() -> None:
    assert set(dpquery.__all__) == NAMES
    assert dir(dpquery) == sorted(dpquery.__all__)


@pytest.mark.parametrize("name", sorted(NAMES))
def test_every_public_name_can_be_imported(name: str) -> None:
    assert getattr(dpquery, name) is not None


def test_other_names_do_not_exist() -> None:
    with pytest.raises(AttributeError, match="no attribute 'pandas'"):
        dpquery.pandas  # noqa: B018 -- the access is the test


@pytest.mark.parametrize("name", sorted(ERRORS))
def test_errors_are_one_tree_with_exit_statuses(name: str) -> None:
    kind = getattr(dpquery, name)
    assert issubclass(kind, dpquery.DPQueryError)
    assert kind.exit_status == ERRORS[name]
    error = kind("what", hint="how")
    assert error.to_dict() == {
        "error": name,
        "code": kind.default_code,
        "message": "what",
        "hint": "how",
        "position": None,
    }
    assert error.position is None


MEMBERS = {
    dpquery.Service: {"open", "session", "budgets", "check", "close"},
    dpquery.Session: {
        *("price", "query", "budget", "tables", "history", "analyst", "close"),
    },
    dpquery.Release: {
        *("columns", "rows", "to_pandas", "to_arrow", "to_polars", "intervals"),
        *("price", "remaining", "id", "replayed", "notes", "explain", "_repr_html_"),
        "plot",
    },
    dpquery.Price: {"epsilon", "delta", "rho", "explain"},
    dpquery.Budget: {"total", "spent", "remaining", "queries_left"},
    results.Amount: {"epsilon", "delta"},
}


@pytest.mark.parametrize("kind", MEMBERS, ids=lambda kind: kind.__name__)
def test_members_of_the_interface(kind: type) -> None:
    has = set(dir(kind)) | set(getattr(kind, "__dataclass_fields__", ()))
    assert has >= MEMBERS[kind]


def test_parameters_of_the_interface() -> None:
    connect = inspect.signature(dpquery.connect).parameters
    assert list(connect)[:1] == ["target"]
    assert connect["analyst"].kind is inspect.Parameter.KEYWORD_ONLY
    for method in (dpquery.Session.price, dpquery.Session.query):
        parameters = inspect.signature(method).parameters
        assert list(parameters)[1] == "sql"
        assert parameters["epsilon"].kind is inspect.Parameter.KEYWORD_ONLY
    frame = inspect.signature(dpquery.Release.to_pandas).parameters
    assert frame["intervals"].default is False
    bars = inspect.signature(dpquery.Release.intervals).parameters
    assert bars["confidence"].default == 0.95


def test_the_public_names_have_types() -> None:
    """``tests/typing/api.py`` is checked by mypy; here: that it is there to check."""
    text = (ROOT / "tests/typing/api.py").read_text(encoding="utf-8")
    assert text.count("assert_type(") > 30
    assert (ROOT / "dpquery/py.typed").exists()


def test_python_m_dpquery_is_the_command_line() -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "dpquery", "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert shown.stdout.startswith("Usage: dpquery ")
