"""The owner's promises as frozen, checked values: what a policy file may say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Annotated, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from dpquery.policy.catalog import fold
from dpquery.policy.epochs import epoch_problems
from dpquery.policy.ownership import find, ownership_problems
from dpquery.policy.values import (
    Blocks,
    Bounds,
    ColumnName,
    Delta,
    Dotted,
    Epsilon,
    Flag,
    Groups,
    Label,
    Memory,
    Problem,
    Rows,
    Seconds,
    Shares,
    Sql,
    Step,
    TableName,
    Text,
    Threads,
    Units,
    Values,
    Version,
    WebAddress,
    Word,
    is_number,
    refuse,
)


class _Part(BaseModel):
    """What all parts of a policy have in common: nothing unknown, nothing changes."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @field_validator("*", mode="before")
    @classmethod
    def _refuse_blank(cls, value: object) -> object:
        """Refuse ``key:`` with nothing behind it: a blank somebody forgot to fill."""
        if value is None:
            refuse(Problem("is empty", "fill it in, or remove the key", "DPQ311"))
        return value


class Column(_Part):
    """What is public about one column; nothing at all is fine too."""

    bounds: Bounds | None = None
    """Public lowest and highest value; what lies outside is clamped."""
    values: Values | None = None
    """The closed, public list of its values; `null` in it stands for SQL NULL."""
    values_from: Dotted | None = None
    """A column of a public table that holds all values, such as regions.name."""
    grid: Step | None = None
    """The step to which values are rounded before they are added up."""

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.values is not None and self.values_from is not None:
            message = "`values` and `values_from` exclude each other"
            refuse(Problem(message, "keep one", "DPQ314", ("values_from",), key=True))
        if self.grid is not None and self.bounds and not is_number(self.bounds[0]):
            message = "dates have no grid: they are counted in days"
            refuse(Problem(message, "remove `grid`", "DPQ314", ("grid",), key=True))
        return self


def _nothing_said(value: object) -> object:
    """Read ``ward:`` as ``ward: {}``."""
    return {} if value is None else value


ColumnOrNothing = Annotated[
    Column, BeforeValidator(_nothing_said, json_schema_input_type=Column | None)
]


class Table(_Part):
    """One table: whose rows it holds, and what is public about its columns."""

    public: Flag = False
    """True when the content depends on no private row."""
    row_privacy: Flag = False
    """True when every row is a privacy unit of its own."""
    privacy_unit_column: ColumnName | None = None
    """The column that says whose row it is."""
    references: Mapping[ColumnName, Dotted] = Field(default_factory=dict)
    """Foreign keys, `column: table.column`; without a unit column of its own, the
    owner of a row is found through the one that leads to a private table."""
    key: ColumnName | None = None
    """A column declared unique: a hint for less noise."""
    max_rows_per_unit: Rows | None = None
    """How many rows one unit has at most: a hint for less noise, never trusted."""
    max_rows_per_group: Rows | None = None
    """How many rows of one unit fall into one group: a hint, never trusted."""
    columns: Mapping[ColumnName, ColumnOrNothing] | None = None
    """The columns that analysts may use; a public table may leave this out."""

    @property
    def knows_its_unit(self) -> bool:
        """Whether rows say themselves to which unit they belong."""
        return self.row_privacy or self.privacy_unit_column is not None

    @model_validator(mode="after")
    def _agree(self) -> Self:
        said = [key for key in _OWNERSHIP if getattr(self, key)]
        if len(said) > 1:
            message = f"`{said[0]}` and `{said[1]}` exclude each other"
            refuse(Problem(message, "keep one", "DPQ314", (said[1],), key=True))
        if not said and not self.references:
            message = "it is not said whose rows this table holds"
            refuse(Problem(message, _OWNERSHIP_HINT, "DPQ311"))
        for names, part in ((self.columns, "columns"), (self.references, "references")):
            refuse_twins(names or {}, part)
        return self


_OWNERSHIP = ("public", "row_privacy", "privacy_unit_column")
_OWNERSHIP_HINT = (
    "add privacy_unit_column: …, references: {…}, row_privacy: true or public: true"
)


class Source(_Part):
    """Where the data is: a DuckDB file, or one file a table."""

    duckdb: Text | None = None
    """A DuckDB file, opened read-only; relative to the policy file."""
    files: Mapping[TableName, Text] | None = None
    """For each table a .parquet or .csv file, relative to the policy file."""

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.duckdb is not None and self.files is not None:
            message = "`duckdb` and `files` exclude each other"
            refuse(Problem(message, "keep one", "DPQ314", ("files",), key=True))
        if self.duckdb is None and self.files is None:
            hint = "add duckdb: FILE, or files: {TABLE: FILE, …}"
            refuse(Problem("it is not said where the data is", hint, "DPQ311"))
        for table, file in (self.files or {}).items():
            if not fold(file).endswith((".parquet", ".csv")):
                message = f"`{file}` is neither a .parquet nor a .csv file"
                refuse(Problem(message, at=("files", table)))
        refuse_twins(self.files or {}, "files")
        return self


class Budget(_Part):
    """The promise: everything that anyone ever learns together."""

    epsilon: Epsilon
    """The total privacy loss."""
    delta: Delta | None = None
    """The chance that the promise fails; without it the promise is pure."""


class QueryDefaults(_Part):
    """Defaults and limits of one query."""

    epsilon: Epsilon = Decimal("0.2")
    """What a query spends when it does not say; at most the whole budget."""
    max_epsilon: Epsilon = Field(
        default_factory=lambda data: max(Decimal(1), data["epsilon"])
    )
    """What one query may spend at most, beside a profile that it needs first."""
    delta: Delta = Decimal("1e-10")
    """The chance of showing a group that should be withheld, for one query."""
    max_groups_per_unit: Groups = 8
    """How many groups one unit counts in at full weight; in more it counts for less,
    or, when `bounding` is truncate, not at all."""
    min_group_units: Units = 1
    """How many units a group must have to be shown, where its key is not public: fewer
    are never shown, whatever the noise; public groups are shown whatever they hold."""
    bounding: Literal["norm", "truncate"] = "norm"
    """How contributions are bounded: by their norm, or by dropping groups."""
    profile: Literal["auto", "never"] = "auto"
    """Whether limits that nobody has fixed are chosen from a private profile, which is
    measured when it is first needed; never: sums without bounds are refused."""
    profile_epsilon: Epsilon | None = None
    """What one histogram of a profile costs, once; `epsilon` when it is not said."""

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if "epsilon" in self.model_fields_set and self.epsilon > self.max_epsilon:
            message = f"the default {self.epsilon} is above the limit of one query"
            hint = f"max_epsilon is {self.max_epsilon}"
            refuse(Problem(message, hint, "DPQ314", ("epsilon",)))
        return self


class Analyst(_Part):
    """What one analyst may spend."""

    epsilon: Epsilon
    """The analyst's share of the budget, as a quota."""
    max_epsilon_per_query: Epsilon | None = None
    """A limit of one query that is lower than everybody's."""


class Limits(_Part):
    """What the database engine may use for one query."""

    memory: Memory = "4GB"
    """Memory, such as 512MB or 4GB."""
    threads: Threads = 2
    """Threads."""
    seconds: Seconds = 60
    """Time after which a query is stopped."""


class Epochs(_Part):
    """Blocks in time, each with a budget of its own (theory.md 3.5)."""

    column: Dotted
    """The date of a row: a column of a private table, such as visits.visited_on, whose
    bounds say which blocks there are."""
    every: Literal["day", "week", "month", "quarter", "year"]
    """How long a block is: a day, a week from Monday, or a calendar month, quarter or
    year."""
    privacy: Literal["unit-epoch", "unit-lifetime"]
    """What is protected: what a unit did in any one block, or all that it ever did."""
    budget: Budget
    """What each block may lose."""
    participation_cap: Blocks | None = None
    """In how many blocks a unit counts at most; with unit-lifetime only."""

    @model_validator(mode="after")
    def _agree(self) -> Self:
        lifetime = self.privacy == "unit-lifetime"
        if lifetime and self.participation_cap is None:
            message = "`unit-lifetime` needs a `participation_cap`"
            hint = "add `participation_cap: L`: a unit counts in at most L blocks"
            refuse(Problem(message, hint, "DPQ311", ("privacy",)))
        if not lifetime and self.participation_cap is not None:
            message = "under `unit-epoch` a unit may be in every block"
            hint = "remove `participation_cap`, or choose unit-lifetime"
            at = ("participation_cap",)
            refuse(Problem(message, hint, "DPQ314", at, key=True))
        return self


class Alerts(_Part):
    """When and where the owner is told how much of a budget is spent."""

    at: Shares = (Decimal("0.5"), Decimal("0.8"), Decimal(1))
    """Shares of a budget: the owner is told when one is reached."""
    webhook: WebAddress | None = None
    """An address that is called with each alert."""
    log: Flag = True
    """Whether each alert is written to the log."""

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.webhook is None and not self.log:
            message = "nobody is told: there is no webhook, and no log"
            hint = "add `webhook: URL`, or remove `log: false`"
            refuse(Problem(message, hint, "DPQ314", ("log",), key=True))
        return self


class Audit(_Part):
    """What the audit keeps of each query."""

    literals: Literal["keep", "redact"] = "keep"
    """Whether constants in the SQL are stored, or `?` in their place."""


class Policy(_Part):
    """One policy: whose data, what is public about it, and what may be spent."""

    version: Version
    """The version of this language: 1."""
    name: Word
    """A short name, used for the ledger's file and in messages."""
    source: Source
    """Where the data is."""
    data_version: Label | None = None
    """The owner's name for the state of the data; without it, the file's identity."""
    privacy_unit: Text
    """Whom we protect, in a word: one patient, with all rows in all tables."""
    tables: Mapping[TableName, Table] = Field(min_length=1)
    """The tables that analysts may use; any other does not exist for them."""
    views: Mapping[TableName, Sql] = Field(default_factory=dict)
    """SELECTs under a name, in DuckDB's SQL: analysts use them like tables, and they
    are bound like a query of WITH, with the promises of the tables in them."""
    budget: Budget
    """The promise: everything that anyone ever learns together."""
    epochs: Epochs | None = None
    """Blocks in time, each with a budget of its own."""
    query: QueryDefaults = Field(default_factory=QueryDefaults, validate_default=True)
    """Defaults and limits of one query."""
    analysts: Mapping[Word, Analyst] = Field(default_factory=dict)
    """Who may ask, and how much of the budget each may spend."""
    sharing: Literal["open", "isolated"] = "open"
    """Whether an answer that one analyst paid for is free for the others (open), or
    each gets exactly what they pay for themselves (isolated), so that the budget of
    an analyst is a promise too."""
    alerts: Alerts | None = None
    """When and where the owner is told how much of a budget is spent."""
    audit: Audit = Field(default_factory=Audit)
    """What the audit keeps of each query."""
    ledger: Text = Field(default_factory=lambda data: f"{data['name']}.ledger")
    """An SQLite file beside the policy, or a SQLAlchemy URL."""
    limits: Limits = Field(default_factory=Limits)
    """What the database engine may use for one query."""

    @field_validator("query")
    @classmethod
    def _fit_into_budget(
        cls, query: QueryDefaults, info: ValidationInfo
    ) -> QueryDefaults:
        """Lower a default that nobody wrote to what the budget can pay."""
        budget = info.data.get("budget")
        if budget is None or "epsilon" in query.model_fields_set:
            return query
        usual = min(query.epsilon, query.max_epsilon, budget.epsilon)
        return query.model_copy(update={"epsilon": usual})

    @model_validator(mode="after")
    def _agree(self) -> Self:
        refuse_twins(self.tables, "tables")
        refuse_twins(self.views, "views")
        problems = [
            *self._hidden_tables(),
            *ownership_problems(self.tables),
            *self._missing_files(),
            *epoch_problems(self),
        ]
        if problems:
            refuse(*problems)
        return self

    def _hidden_tables(self) -> Iterator[Problem]:
        """Find views with the name of a table."""
        for view in self.views:
            if (table := find(self.tables, view)) is not None:
                message = f"`{view}` is a view, and `{table}` a table"
                hint = "give the view another name"
                yield Problem(message, hint, "DPQ305", ("views", view), key=True)

    def _missing_files(self) -> Iterator[Problem]:
        """Find tables that have no file, where there is one file a table."""
        for name in self.tables if self.source.files is not None else ():
            if find(self.source.files or {}, name) is None:
                message = f"there is no file for table `{name}` under `source:`"
                yield Problem(message, "add it to files", "DPQ320", ("tables", name))


def refuse_twins(names: Mapping[str, object], part: str) -> None:
    """Refuse two *names* that SQL cannot tell apart."""
    seen: dict[str, str] = {}
    for name in names:
        if (first := seen.setdefault(fold(name), name)) != name:
            message = f"`{name}` and `{first}` are the same name in SQL"
            refuse(Problem(message, None, "DPQ305", (part, name), key=True))
