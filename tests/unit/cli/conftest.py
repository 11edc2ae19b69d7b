"""A service made by hand, so that the command line is tested without a database."""

from __future__ import annotations

import datetime as dt
import sys
from dataclasses import dataclass, field, replace
from decimal import Decimal
from importlib.util import find_spec
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any, Self

import pytest

from dpquery.cli.app import run
from dpquery.results import (
    Account,
    Amount,
    Budget,
    BudgetRequest,
    ColumnInfo,
    Expected,
    Forecast,
    HistoryEntry,
    Interval,
    Price,
    Release,
    Report,
    TableInfo,
    Usage,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PRICE = Price(
    epsilon=0.2,
    delta=1e-10,
    rho=0.0011,
    remaining=Amount(2.8, 9e-7),
    queries_left=14,
    expected=(Expected("count", 12.2), Expected("total", 1894.3), Expected("m", None)),
    notes=("wards with few patients may be missing",),
    explanation="1. count visits\n2. add noise",
)

WHEN = "2024-02-29T13:05:00+00:00"
OPEN = BudgetRequest(2, "alice", 0.5, "figures\x1b[2J of March", WHEN, "open")
APPROVED = BudgetRequest(
    id=1,
    analyst="alice",
    epsilon=1,
    reason="a pilot",
    asked_at=WHEN,
    state="approved",
    decided_at=WHEN,
    granted=0.5,
    expires_at="2024-03-30T13:05:00+00:00",
    answer="half of it",
    notes=("the dataset has less",),
)
REPORT = Report(
    policy="clinic",
    at="2024-02-29T13:05:00+00:00",
    accounts=(
        Account(
            "dataset",
            "(dataset)",
            Amount(8, 1e-6),
            Amount(2, 1e-9),
            Amount(7, 5e-7),
            0.25,
            queries_left=14,
            forecast=Forecast(9.2, 7),
        ),
        Account(
            "analyst",
            "alice",
            Amount(3.5, 1e-6),
            Amount(2, 1e-9),
            Amount(1, 5e-7),
            0.5,
            granted=0.5,
            queries_left=7,
        ),
        Account("block", "2024-02", None, Amount(2, 0), None, None),
    ),
    tables=(Usage("visits", 3, Amount(2, 1e-9), WHEN),),
    days=(
        Usage("2024-02-26", 1, Amount(0.5, 0), WHEN),
        Usage("2024-02-29", 2, Amount(2, 0), WHEN),
    ),
    requests=(OPEN,),
    usual=Price(0.2, 1e-10, 0.0011),
)

COLUMNS = ("ward", "seen", "at", "cost", "open", "n", "share")
ROWS: list[tuple[Any, ...]] = [
    (
        "Ålesund",
        dt.date(2024, 2, 29),
        dt.datetime(2024, 2, 29, 13, 5, 0, 250000),
        Decimal("12345678901234567.10"),
        True,
        41,
        0.4999,
    ),
    (
        'comma, "quote" | pipe\nnew line',
        None,
        None,
        Decimal("-0.50"),
        False,
        -3,
        float("nan"),
    ),
    ("", dt.date(1900, 1, 1), None, None, None, 123456, 1e-7),
    (None, None, None, Decimal(7), True, None, None),
    ("\x1b[31mred", None, None, Decimal(0), True, 0, float("inf")),
]
BARS: dict[str, list[Interval | None]] = {
    "n": [
        Interval(28.9, 53.1),
        Interval(-15.1, 9.1),
        Interval(121562, 125350),
        None,
        Interval(-12.1, 12.1),
    ],
    "share": [
        Interval(0.469, 0.531),
        None,
        Interval(0.0, 1.0),
        None,
        Interval(0, float("inf")),
    ],
}


def make_release(
    columns: tuple[str, ...] = COLUMNS,
    rows: list[tuple[Any, ...]] = ROWS,
    bars: dict[str, list[Interval | None]] = BARS,
    *,
    replayed: bool = False,
    counts: tuple[str, ...] = (),
) -> Release:
    return Release(
        id="rel_1",
        columns=columns,
        rows=rows,
        price=PRICE,
        remaining=Amount(2.8, 9e-7),
        replayed=replayed,
        notes=["small groups were withheld"],
        noisy=tuple(bars),
        explanation="1. count visits\n2. add noise",
        _intervals=lambda _: bars,
        counts=counts,
    )


@dataclass
class FakeSession:
    """Answers everything with the same release, and remembers what was asked."""

    release: Release = field(default_factory=make_release)
    cost: Price = PRICE
    failure: BaseException | None = None
    asked: list[tuple[str, float | None, str]] = field(default_factory=list)
    priced: list[tuple[str, float | None, str]] = field(default_factory=list)
    requested: list[tuple[float, str]] = field(default_factory=list)
    found: list[BudgetRequest] = field(default_factory=list)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def query(
        self,
        sql: str,
        *,
        epsilon: float | None,
        dialect: str,
        as_of: str | None = None,
        **options: object,
    ) -> Release:
        self.asked.append((sql, epsilon, dialect))
        self.as_of = as_of
        self.options = options
        if self.failure is not None:
            raise self.failure
        return self.release

    def price(
        self, sql: str, *, epsilon: float | None, dialect: str, **options: object
    ) -> Price:
        self.priced.append((sql, epsilon, dialect))
        self.options = options
        if self.failure is not None:
            raise self.failure
        return self.cost

    def budget(self) -> Budget:
        return Budget(Amount(3, 1e-6), Amount(0, 0), Amount(3, 1e-6), lambda _: 15)

    def request(self, epsilon: float, reason: str) -> BudgetRequest:
        self.requested.append((epsilon, reason))
        if self.failure is not None:
            raise self.failure
        return OPEN

    def requests(self) -> list[BudgetRequest]:
        return self.found

    def tables(self) -> list[TableInfo]:
        return [
            TableInfo(
                "visits",
                public=False,
                unit="patient_id",
                columns=(
                    ColumnInfo("ward", "VARCHAR", None, "unknown"),
                    ColumnInfo("cost", "DECIMAL(8,2)", (0, 5000), "unknown"),
                ),
            ),
            TableInfo(
                "regions",
                public=True,
                unit=None,
                columns=(ColumnInfo("name", "VARCHAR", None, "public"),),
            ),
        ]

    def history(self) -> list[HistoryEntry]:
        when = "2024-02-29T13:05:00+00:00"
        return [HistoryEntry("rel_1", when, "SELECT 1", PRICE, "settled")]


@dataclass
class FakeService:
    """Stands where ``dpquery.service.Service`` stands, as class and as instance."""

    session_: FakeSession = field(default_factory=FakeSession)
    findings: list[Any] = field(default_factory=list)
    failure: BaseException | None = None
    opened: list[str] = field(default_factory=list)
    analysts: list[str] = field(default_factory=list)
    checked: list[bool] = field(default_factory=list)
    decided: list[Any] = field(default_factory=list)
    reports: int = 0

    def open(self, path: Path, *, in_force: bool = True) -> FakeService:
        del in_force
        if self.failure is not None:
            raise self.failure
        self.opened.append(str(path))
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def session(self, analyst: str) -> FakeSession:
        self.analysts.append(analyst)
        return self.session_

    def budgets(self) -> dict[str, Budget]:
        return {"alice": self.session_.budget(), "(dataset)": self.session_.budget()}

    def report(self) -> Report:
        self.reports += 1
        return REPORT

    def requests(self, *, decided: bool) -> list[BudgetRequest]:
        return [APPROVED, OPEN] if decided else [OPEN]

    def approve(self, number: int, **given: object) -> BudgetRequest:
        self.decided.append((number, given))
        if self.failure is not None:
            raise self.failure
        return APPROVED

    def deny(self, number: int, *, reason: str) -> BudgetRequest:
        self.decided.append((number, reason))
        return replace(APPROVED, state="denied", granted=None, expires_at=None)

    def check(self, *, data: bool) -> list[Any]:
        self.checked.append(data)
        return self.findings


@dataclass
class FakePolicies:
    """Stands where ``dpquery.policy.load`` and ``.lint`` stand."""

    names: tuple[str, ...] = ("alice",)
    problems: list[Any] = field(default_factory=list)
    findings: list[Any] = field(default_factory=list)


@dataclass(frozen=True)
class Outcome:
    """What one command line did."""

    status: int
    out: str
    err: str


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> FakeService:
    fake = FakeService()
    _install(monkeypatch, "dpquery.service", Service=fake)
    return fake


@pytest.fixture
def policies(monkeypatch: pytest.MonkeyPatch) -> FakePolicies:
    fake = FakePolicies()
    _install(
        monkeypatch,
        "dpquery.policy.load",
        load=lambda _: SimpleNamespace(policy=SimpleNamespace(analysts=fake.names)),
        problems=lambda _: fake.problems,
    )
    _install(monkeypatch, "dpquery.policy.lint", lint=lambda *_: fake.findings)
    return fake


@pytest.fixture
def command(
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    service: FakeService,
    policies: FakePolicies,
) -> Callable[..., Outcome]:
    """Run one command line for the only analyst of a policy, in this process."""
    del service, policies  # only to stand in for the real ones
    for name in ("NO_COLOR", "FORCE_COLOR", "DPQUERY_ANALYST", "DPQUERY_DEBUG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DPQUERY_POLICY", "clinic.yaml")
    monkeypatch.setenv("COLUMNS", "80")

    def call(*arguments: object) -> Outcome:
        status = run([str(each) for each in arguments])
        out, err = capfd.readouterr()
        return Outcome(int(status), out, err)

    return call


def _install(monkeypatch: pytest.MonkeyPatch, name: str, **names: object) -> None:
    module = ModuleType(name)
    real = find_spec(name)
    if real is not None and real.submodule_search_locations is not None:
        module.__path__ = real.submodule_search_locations  # its parts are real
    for key, value in names.items():
        setattr(module, key, value)
    monkeypatch.setitem(sys.modules, name, module)


@pytest.fixture
def hard_release() -> Release:
    return make_release()


@pytest.fixture
def release_of() -> Callable[..., Release]:
    return make_release
