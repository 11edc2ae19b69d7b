"""What a caller may hold: answers, prices and budgets; no exact value among them."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

from dpquery.display import markup
from dpquery.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import pandas as pd
    import polars as pl
    import pyarrow as pa
    from altair.typing import ChartType

Cell = Any
"""One value of an answer: None, bool, int, float, str, date, datetime or Decimal."""


class Interval(NamedTuple):
    """A confidence interval for what the query would say without noise."""

    low: float
    high: float


def check_confidence(confidence: object) -> None:
    """
    Refuse what is no probability between 0 and 1.

    Raises:
        ConfigError: DPQ402.
    """
    if not isinstance(confidence, int | float) or not 0 < confidence < 1:
        msg = f"confidence is a number between 0 and 1, not {confidence!r}"
        raise ConfigError(msg, code="DPQ402", hint="for 95 %, say 0.95")


@dataclass(frozen=True, slots=True)
class Amount:
    """A privacy loss, or what is left of a budget, as (ε, δ)."""

    epsilon: float
    delta: float


@dataclass(frozen=True, slots=True)
class Expected:
    """The error to expect of one noisy column, from public knowledge only."""

    column: str
    half_width: float | None
    """Half of the 95 % interval; ``None`` where it depends on the data, infinite where
    the noise would make a value of what is assumed NULL."""
    assuming: str | None = None
    """What is taken to be so, where the error depends on the data: nobody looked."""
    rank_error: float | None = None
    """How many rows a quantile, MIN or MAX will be off at 95 %: how far that is in the
    column's own unit depends on the data. ``None`` for other columns."""


@dataclass(frozen=True, slots=True)
class Price:
    """What a query costs."""

    epsilon: float
    """What this query alone gives, at the budget's δ."""
    delta: float
    """The part of the budget's δ that this query uses, for withholding groups."""
    rho: float
    """The zCDP loss that the ledger adds up; under pure DP, its equivalent."""
    remaining: Amount | None = None
    """What would be left to this analyst afterwards."""
    queries_left: int | None = None
    """About how many more queries like this one, after it."""
    expected: tuple[Expected, ...] = ()
    notes: tuple[str, ...] = ()
    explanation: str = field(default="", repr=False)

    def explain(self) -> str:
        """Return the plan, step by step, with its numbers."""
        return self.explanation


@dataclass(frozen=True, slots=True)
class SizeHistogram:
    """
    How many units have which size, with noise: a part of a profile.

    Or how many different values there are, when a unit keeps up to so many of its own:
    one number for each of them.
    """

    size_of: str
    """What of a unit it is about, in words."""
    up_to: tuple[float, ...]
    """The largest size of each bin."""
    units: tuple[float, ...]
    """Noisy numbers of units, or of different values; one a bin."""
    deviation: float
    """The standard deviation of the noise of each."""
    highest: float | None
    """The highest bin that is surely not empty; ``None``: there is none."""


@dataclass(frozen=True, slots=True)
class Profile:
    """What is known of the sizes of units, and what it cost just now."""

    histograms: tuple[SizeHistogram, ...]
    price: Price


@dataclass(frozen=True, slots=True)
class Budget:
    """An analyst's budget. ``spent`` is a reading; ``total`` is the promise."""

    total: Amount
    spent: Amount
    remaining: Amount
    """The largest single query that would still be answered."""
    _count: Callable[[str], int] = field(repr=False, compare=False)

    def queries_left(self, sql: str) -> int:
        """Return how many more queries like *sql* fit; charges nothing."""
        return self._count(sql)


@dataclass(frozen=True, slots=True)
class BudgetRequest:
    """An analyst's request for more budget, and what the owner said."""

    id: int
    analyst: str
    epsilon: float
    """What was asked for, on top of everything before."""
    reason: str
    asked_at: str
    """UTC, ISO 8601."""
    state: str
    """``open``, ``approved``, ``denied``, or ``expired`` after it was approved."""
    decided_at: str | None = None
    granted: float | None = None
    """What was approved; it may be another amount."""
    expires_at: str | None = None
    answer: str | None = None
    """The owner's reason."""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Forecast:
    """When an account will be exhausted, if it is spent as it was lately."""

    days: float | None
    """``None``: nothing was spent lately, so there is no end in sight."""
    over_days: int
    """How many days the rate is taken over."""

    def __str__(self) -> str:
        rate = f"at the rate of the last {self.over_days} days"
        if self.days is None:
            return (
                f"no end in sight: nothing was spent in the last {self.over_days} days"
            )
        if self.days <= 0:
            return "exhausted"
        if self.days < 1:
            return f"exhausted in less than a day {rate}"
        if self.days >= FAR_DAYS:
            return f"lasts for more than ten years {rate}"
        days = round(self.days)
        return f"exhausted in about {days} day{'s' * (days > 1)} {rate}"


FAR_DAYS = 3650
"""What is further away is not counted in days."""


@dataclass(frozen=True, slots=True)
class Account:
    """What one scope may spend and has spent, for the owner."""

    kind: str
    """``dataset``, ``analyst`` or ``block``."""
    name: str
    total: Amount | None
    """With what was granted; ``None`` where nothing is promised."""
    spent: Amount
    remaining: Amount | None
    """The largest single query that would still be answered."""
    share: float | None
    """Which part is spent, in the ledger's own units, which add up."""
    granted: float = 0.0
    """The ε that was approved beside the policy, in ``total``."""
    queries_left: int | None = None
    """About how many more queries like the usual one."""
    forecast: Forecast | None = None
    """``None``: less than two days of history, or nothing is promised."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What the releases of one day, or those that read one table, cost everybody."""

    name: str
    releases: int
    spent: Amount
    last_at: str
    """When the last of them was charged, UTC, ISO 8601."""


@dataclass(frozen=True, slots=True)
class Report:
    """Where all budgets stand, for the owner."""

    policy: str
    at: str
    """The ledger's time, UTC, ISO 8601."""
    accounts: tuple[Account, ...]
    """The dataset, then the analysts, then blocks of time."""
    tables: tuple[Usage, ...]
    """By table: a release that reads two tables counts in both."""
    days: tuple[Usage, ...]
    """By day, UTC: the last thirty days on which something was charged."""
    requests: tuple[BudgetRequest, ...]
    """Those that are open."""
    usual: Price
    """The usual query; the policy's default before anything was charged."""


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """One earlier release of an analyst."""

    id: str
    asked_at: str
    """UTC, ISO 8601."""
    sql: str
    price: Price
    state: str
    """``settled``, or ``reserved`` when no answer was given for the charge."""


@dataclass(frozen=True, slots=True)
class ColumnInfo:
    """One column, as :meth:`Session.tables` shows it."""

    name: str
    type: str
    bounds: tuple[Cell, Cell] | None
    keys: str
    """``listed``, ``from table.column``, ``range``, ``public`` or ``unknown``."""


@dataclass(frozen=True, slots=True)
class TableInfo:
    """One table, as :meth:`Session.tables` shows it."""

    name: str
    public: bool
    unit: str | None
    """How a row finds its privacy unit, e.g. ``visit_id → visits.patient_id``."""
    columns: tuple[ColumnInfo, ...]


@dataclass(frozen=True, slots=True)
class Release:
    """A noisy answer with its price and its error bars."""

    id: str
    columns: tuple[str, ...]
    rows: list[tuple[Cell, ...]]
    price: Price
    remaining: Amount
    replayed: bool
    """Whether this is an earlier answer, shown again for nothing."""
    notes: list[str]
    noisy: tuple[str, ...]
    """The columns that have intervals."""
    explanation: str = field(repr=False)
    _intervals: Callable[[float], Mapping[str, Sequence[Interval | None]]] = field(
        repr=False, compare=False
    )
    retained: Mapping[str, float] = field(default_factory=dict)
    """For columns of which a profile knows: the share of what single units add that
    is in the answer, at least (95 %, one-sided). What was clipped is in no interval."""
    counts: tuple[str, ...] = ()
    """The noisy columns that count: below zero they are shown as 0, never changed."""
    _flags: tuple[tuple[str, ...], ...] = ()

    def intervals(
        self, confidence: float = 0.95, *, simultaneous: bool = False
    ) -> dict[str, list[Interval | None]]:
        """
        Return ``{column: [(low, high) or None, …]}`` for every noisy column.

        The interval covers the query's answer on this data, after contribution
        bounding, with probability *confidence*; it does not cover clipping. If they
        are *simultaneous*, all of them do together: each may miss with its share of
        the chance only (Bonferroni).
        """
        check_confidence(confidence)
        found = self._intervals(confidence)
        if simultaneous:
            many = sum(bar is not None for bars in found.values() for bar in bars)
            found = self._intervals(1 - (1 - confidence) / max(1, many))
        return {name: list(ends) for name, ends in found.items()}

    def flags(self) -> list[tuple[str, ...]]:
        """
        Return for each row what makes it doubtful: mostly nothing.

        ``near the threshold``: noise may have let the group through. ``group too
        small``: noise leaves a mean or a statistic of it open.
        """
        return list(self._flags) or [()] * len(self.rows)

    def explain(self) -> str:
        """Return how the answer was made, step by step, with its numbers."""
        return self.explanation

    def table(
        self,
        *,
        intervals: bool = False,
        confidence: float = 0.95,
        simultaneous: bool = False,
    ) -> tuple[tuple[str, ...], list[tuple[Cell, ...]]]:
        """
        Return (columns, rows); with *intervals*, ``x_low`` and ``x_high`` follow x.

        The end points are ``None`` where a cell has no interval.
        """
        if not intervals:
            return self.columns, list(self.rows)
        bars = self.intervals(confidence, simultaneous=simultaneous)
        names: list[str] = []
        columns: list[list[Cell]] = []
        for index, name in enumerate(self.columns):
            names.append(name)
            columns.append([row[index] for row in self.rows])
            if name in bars:
                names += [f"{name}_low", f"{name}_high"]
                columns.append([bar.low if bar else None for bar in bars[name]])
                columns.append([bar.high if bar else None for bar in bars[name]])
        return tuple(names), list(zip(*columns, strict=True))

    def to_arrow(self, *, intervals: bool = False) -> pa.Table:
        """Return a ``pyarrow.Table``."""
        pyarrow = _optional("pyarrow")
        names, rows = self.table(intervals=intervals)
        columns = list(zip(*rows, strict=True)) if rows else [()] * len(names)
        return pyarrow.table([pyarrow.array(each) for each in columns], list(names))

    def to_pandas(self, *, intervals: bool = False) -> pd.DataFrame:
        """Return a ``pandas.DataFrame``."""
        pandas = _optional("pandas")
        names, rows = self.table(intervals=intervals)
        frame: pd.DataFrame = pandas.DataFrame.from_records(rows, columns=list(names))
        return frame

    def to_polars(self, *, intervals: bool = False) -> pl.DataFrame:
        """Return a ``polars.DataFrame``."""
        polars = _optional("polars")
        names, rows = self.table(intervals=intervals)
        frame: pl.DataFrame = polars.DataFrame(
            rows, schema=list(names), orient="row", infer_schema_length=None
        )
        return frame

    def plot(
        self,
        *,
        x: str | None = None,
        y: str | Sequence[str] | None = None,
        confidence: float = 0.95,
    ) -> ChartType:
        """
        Return an Altair chart of the answer with its intervals.

        *x* names the column along which it is drawn, *y* those that are drawn;
        without them, the columns decide.

        Raises:
            ConfigError: Altair is not installed (DPQ403), there is no such column or
                no number (DPQ460), or *confidence* is no probability (DPQ402).
        """
        _optional("altair", "plot")
        from dpquery.display import chart  # noqa: PLC0415 -- loads Altair

        return chart.chart(self, x, y, confidence)

    def _repr_html_(self) -> str:
        """Show the table, its intervals and its price in a notebook."""
        return markup.notebook(self)


def _optional(name: str, extra: str = "frames") -> Any:  # noqa: ANN401 -- a module
    """Import a library of *extra*, or say how to get it."""
    try:
        return import_module(name)
    except ImportError:
        msg = f"this needs {name}, which is not installed"
        raise ConfigError(
            msg, code="DPQ403", hint=f"pip install 'dpquery[{extra}]'"
        ) from None


@dataclass(frozen=True, slots=True)
class Simulated:
    """What would become of one query under a policy; nothing was asked or charged."""

    number: int
    """Which one it is, from 1."""
    line: int
    """Where it stands in its text, or where in it something is refused."""
    sql: str
    decision: str
    """``answered``, ``free``, ``refused`` or ``over budget``."""
    price: Amount
    analyst_spent: Amount
    """What the analyst would have spent by then."""
    dataset_spent: Amount
    """What everybody would have spent by then."""
    code: str | None = None
    """Why not, for `dpquery docs`."""
    message: str | None = None
    hint: str | None = None
    expected: tuple[Expected, ...] = ()
    """How exact the answer would be."""
