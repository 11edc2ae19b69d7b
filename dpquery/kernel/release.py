"""How a query is answered: reserve, measure release after release, compute, settle.

Upheld here (threats.md 1): the charge is durable before any row is read (I2), and what
fails afterwards says the same whatever the cause.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dpquery.engines.base import Statement
from dpquery.errors import DPQueryError, EngineFailure
from dpquery.kernel.estimates import estimate
from dpquery.kernel.measurement import measured, statements_of
from dpquery.kernel.notes import notes
from dpquery.kernel.payload import Published, from_text, to_text
from dpquery.kernel.postprocess import Above, finite, table_of
from dpquery.ledger.records import Charge
from dpquery.noise.intervals import point
from dpquery.plan.program import LEVEL
from dpquery.sql.lowering.relations import parameter

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dpquery.accounting.loss import Loss
    from dpquery.engines.base import Engine, Limits
    from dpquery.engines.released import ReleasedDatabase
    from dpquery.engines.sealed import Sealed
    from dpquery.kernel.measurement import Group, Statements
    from dpquery.kernel.postprocess import Table
    from dpquery.kernel.prepare import Prepared
    from dpquery.ledger.store import Ledger
    from dpquery.noise.intervals import Estimate
    from dpquery.plan.program import Cell
    from dpquery.sql.lowering.lower import EngineSQL


@dataclass(frozen=True, slots=True)
class Asked:
    """Who asks, about which data, under which limits."""

    analyst: str
    data_version: str
    dataset_limit: Loss
    analyst_limit: Loss


@dataclass(frozen=True, slots=True)
class Answer:
    """What was published, now or before."""

    id: str
    published: Published
    replayed: bool


@dataclass(frozen=True, slots=True)
class Backends:
    """What a release needs to run."""

    engine: Engine
    ledger: Ledger
    released: ReleasedDatabase
    limits: Limits

    def start(self) -> None:
        """Let what takes a moment begin, without waiting for it."""
        self.released.start(self.limits)

    def above(self, data_version: str) -> Above:
        """Return where SQL over released values runs."""
        return Above(self.released, self.engine, self.limits, data_version)


def release(prepared: Prepared, asked: Asked, backends: Backends) -> Answer:
    """
    Answer *prepared* once, charging for it before any row is read.

    An answer that this analyst already has, on the same data, is given again for
    nothing, bit for bit.

    Raises:
        QueryRefused: the SQL over released values cannot be run; nothing was charged.
        BudgetExceeded: nothing was charged.
        EngineFailure: the charge stands; whether a query fails can depend on the
            data, so a refund would be an unpaid answer.
        LedgerError: the ledger cannot be trusted, read or written.
    """
    ledger = backends.ledger
    stored = ledger.find(asked.analyst, prepared.fingerprint, asked.data_version)
    if stored is not None:
        return Answer(stored.release_id, from_text(stored.payload), replayed=True)
    above = backends.above(asked.data_version)
    above.check(prepared)
    statements = [statements_of(priced.step) for priced in prepared.steps]
    lease = ledger.reserve(
        Charge(
            analyst=asked.analyst,
            fingerprint=prepared.fingerprint,
            data_version=asked.data_version,
            sql=prepared.sql,
            loss=prepared.loss,
            events=prepared.events,
            dataset_limit=asked.dataset_limit,
            analyst_limit=asked.analyst_limit,
        )
    )
    text = _run(_Run(prepared, above), statements)
    ledger.settle(lease, text)
    return Answer(lease.release_id, from_text(text), replayed=False)


def _run(run: _Run, statements: list[Statements]) -> str:
    """Return the published answer as text; every failure reads the same."""
    try:
        run.measure(statements)
        return to_text(run.published())
    except DPQueryError:
        raise
    except Exception:  # noqa: BLE001 -- a cause could tell something of a row
        raise _failed() from None


def _failed() -> EngineFailure:
    msg = "the query could not be answered; its charge stands"
    hint = "the same text for every cause: a cause could tell something of the data"
    return EngineFailure(msg, code="DPQ502", hint=hint)


@dataclass(slots=True)
class _Run:
    """One query on its way: what is released so far, and what was made of it."""

    prepared: Prepared
    above: Above
    groups: dict[str, list[Group]] = field(default_factory=dict)
    tables: dict[str, Table] = field(default_factory=dict)
    inputs: dict[str, Mapping[str, list[Any]]] = field(default_factory=dict)

    def measure(self, statements: list[Statements]) -> None:
        """Measure release after release; each may read the answers before it."""
        for priced, each in zip(self.prepared.steps, statements, strict=True):
            name = priced.step.name
            self.groups[name] = measured(priced, each, self._ask)
            self.tables[name] = table_of(priced, self.groups[name])

    def _ask(self, lowered: EngineSQL) -> Sealed:
        given: dict[str, list[Any]] = {}
        for name in lowered.inputs:
            given |= self._input(name)
        statement = Statement(lowered.text, lowered.tables, lowered.functions, given)
        return self.above.engine.execute(statement)

    def _input(self, name: str) -> Mapping[str, list[Any]]:
        """Return earlier answers as parameters: a list for each column."""
        if name not in self.inputs:
            found = next(i for i in self.prepared.program.inputs if i.name == name)
            _, rows = self.above.run(found.computed, self.tables)
            self.inputs[name] = {
                parameter(name, at): [row[at] for row in rows]
                for at in range(len(found.columns))
            }
        return self.inputs[name]

    def published(self) -> Published:
        """Return the answer: post-processing of what is released."""
        post = self.prepared.program.post
        names, rows = self.above.run(post.computed, self.tables)
        shown = len(names) - post.rows
        estimates: dict[str, list[Estimate | None]] = {}
        if post.outputs is not None:
            names = [output.name for output in post.outputs]
            for output in post.outputs:
                if output.cell is not None:
                    numbers = [row[shown + output.cell.row] for row in rows]
                    cells = [self._estimate(output.cell, at) for at in numbers]
                    estimates[output.name] = cells
        return Published(
            columns=tuple(names[:shown]),
            rows=[finite(row[:shown]) for row in rows],
            estimates=estimates,
            notes=notes(self.prepared),
        )

    def _estimate(self, cell: Cell, number: int | None) -> Estimate | None:
        """Return the estimate of one cell of the answer; ``None``: it has no law."""
        if number is None:  # of an outer join
            return None
        level, at = divmod(number, LEVEL)
        name = cell.levels[level]
        priced, column = self.prepared.column(name, cell.column)
        found = estimate(column.estimator, priced, self.groups[name][at].readings)
        return None if found is None or point(found) is None else found
