"""How a query is answered: reserve, measure release after release, compute, settle.

Upheld here (threats.md 1): the charge is durable before any row is read (I2), and what
fails afterwards says the same whatever the cause.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

from dpquery.accounting.loss import Loss
from dpquery.engines.base import Statement
from dpquery.errors import DPQueryError, EngineFailure, LedgerError
from dpquery.kernel.bars import exactness
from dpquery.kernel.collect import collected
from dpquery.kernel.levels import put_levels_together, sets_of, with_own
from dpquery.kernel.measurement import statements_of
from dpquery.kernel.notes import level_notes, notes, reuse_notes
from dpquery.kernel.other_row import with_row
from dpquery.kernel.payload import Published, from_text, to_text
from dpquery.kernel.pieces import pieces_of
from dpquery.kernel.postprocess import Above, finite, table_of
from dpquery.kernel.reuse import Reuse, Store, holdings_of, planned, sources_of
from dpquery.kernel.sampling import Sampling
from dpquery.kernel.shaping import floored, shaped_tables, shaping_notes
from dpquery.kernel.stored import read
from dpquery.ledger.chain import digest
from dpquery.ledger.records import Charge, Outdated, View
from dpquery.sql.lowering.relations import parameter

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from dpquery.engines.base import Engine, Limits
    from dpquery.engines.released import ReleasedDatabase
    from dpquery.engines.sealed import Sealed
    from dpquery.kernel.blocks import Blocks
    from dpquery.kernel.measurement import Statements
    from dpquery.kernel.pieces import Piece
    from dpquery.kernel.postprocess import Table
    from dpquery.kernel.prepare import Prepared
    from dpquery.kernel.readings import Group
    from dpquery.kernel.reuse import Use
    from dpquery.kernel.stored import StoredReadings
    from dpquery.ledger.records import Debit, Stored
    from dpquery.ledger.store import Ledger
    from dpquery.plan.program import ReleaseStep
    from dpquery.sql.lowering.lower import EngineSQL


@dataclass(frozen=True, slots=True)
class Asked:
    """Who asks, about which data, under which limits."""

    analyst: str
    data_version: str
    dataset_limit: Loss | None
    """``None`` where blocks are the promise, and the whole is only read."""
    analyst_limit: Loss
    isolated: bool = False
    """Whether nothing is used that was measured for somebody else."""
    blocks: Blocks | None = None
    """Blocks of time, where the owner has such."""
    policy: str = ""
    """A digest of the policy in force."""
    sql: str | None = None
    """What the ledger keeps of the query's text; ``None``: all of it."""
    identity: str = ""
    """What the engine knows the data by."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What was published, now or before."""

    id: str
    published: Published
    replayed: bool
    price: Loss
    """What the analyst paid just now."""
    reused: tuple[str, ...] = ()
    """What it is made of that was known before."""


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


@dataclass(frozen=True, slots=True)
class Planned:
    """A query, and how it is answered from what the ledger knows."""

    prepared: Prepared
    reuse: Reuse
    store: Store

    def blocks(self, asked: Asked) -> tuple[Debit, ...]:
        """Return what is debited to blocks of time."""
        if asked.blocks is None:
            return ()
        steps = (priced.step.blocks for priced in self.prepared.steps)
        return asked.blocks.debits(zip(steps, self.reuse.losses, strict=True))


def plan(prepared: Prepared, asked: Asked, ledger: Ledger) -> Planned:
    """
    Return how *prepared* would be answered now, and for what price.

    It reads what was released before, and no row.

    Raises:
        LedgerError: the ledger cannot be trusted or read.
    """
    pieces = [pieces_of(each) for each in prepared.steps]
    if asked.isolated:
        pieces = [[_own(p, asked.analyst) for p in each] for each in pieces]
    sources = sources_of(pieces)
    version = asked.data_version
    store = Store()
    if sources:
        store = Store(
            ledger.measurements(sources, version),
            ledger.holdings(asked.analyst, sources, version),
            partial(_readings, ledger),
        )
    definition = prepared.loss.definition
    reuse = planned(prepared.steps, pieces, store, definition)
    return Planned(prepared, with_own(reuse, prepared, store), store)


@lru_cache(maxsize=64)
def _readings(ledger: Ledger, measurement_id: str) -> StoredReadings:
    """Return what was measured; it never changes, and is read from text once."""
    return read(ledger.readings(measurement_id))


def _own(piece: Piece, analyst: str) -> Piece:
    """Return *piece* under names that no other analyst's pieces have."""
    view = piece.view
    if view is None:
        return piece
    own = View(digest(view.view + analyst), digest(view.source + analyst), view.shape)
    return replace(piece, view=own)


def release(prepared: Prepared, asked: Asked, backends: Backends) -> Answer:
    """
    Answer *prepared* once, charging for it before any row is read.

    An answer that this analyst already has, on the same data, is given again for
    nothing, bit for bit. What was measured before is used again (reuse.py).

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
        return replayed(stored)
    if prepared.program.missing:
        raise RuntimeError("its limits are made up until its profile is measured")
    backends.above(asked.identity).check(prepared)
    statements = [statements_of(priced.step) for priced in prepared.steps]
    for _ in range(ATTEMPTS):
        found = plan(prepared, asked, ledger)
        try:
            return _answered(found, asked, backends, statements)
        except Outdated:  # somebody has just measured the same
            continue
    msg = "others keep asking the same at this moment"
    raise LedgerError(msg, code="DPQ552", hint="try again; nothing was charged")


def replayed(stored: Stored) -> Answer:
    """Return an answer that was given before."""
    free = Loss.zero(stored.loss.definition)
    said = ("given before: an earlier answer, shown again",)
    published = from_text(stored.payload)
    return Answer(stored.release_id, published, True, free, said)


def _answered(
    found: Planned, asked: Asked, backends: Backends, statements: list[Statements]
) -> Answer:
    """
    Charge and answer.

    Raises:
        Outdated: the plan's measurements are not the newest; nothing was charged.
    """
    ledger, reuse = backends.ledger, found.reuse
    new = reuse.new()
    charge = Charge(
        analyst=asked.analyst,
        fingerprint=found.prepared.fingerprint,
        data_version=asked.data_version,
        sql=found.prepared.sql if asked.sql is None else asked.sql,
        loss=reuse.price,
        events=reuse.events,
        dataset_limit=asked.dataset_limit,
        analyst_limit=asked.analyst_limit,
        dataset_loss=reuse.loss,
        measurements=tuple(each for _, each in new),
        holdings=holdings_of(reuse, found.store),
        used=tuple(known.measurement.id for known in reuse.known),
        blocks=found.blocks(asked),
        policy=asked.policy,
        tables=_tables(statements) if reuse.measures else (),
    )
    run = _Run(found, backends.above(asked.identity))
    if not reuse.measures:  # made of what is released: no private row is read
        text, _ = _run(run, statements)
        lease = ledger.answer(charge, text)
    else:
        lease = ledger.reserve(charge)
        text, fresh = _run(run, statements)
        ids = dict(zip((id(use) for use, _ in new), lease.measurements, strict=True))
        ledger.settle(lease, text, {ids[id(use)]: each for use, each in fresh})
    free = not reuse.measures and reuse.price == Loss.zero(reuse.price.definition)
    said = reuse_notes(reuse, ids=False)
    return Answer(lease.release_id, from_text(text), free, reuse.price, said)


def _tables(statements: list[Statements]) -> tuple[str, ...]:
    """Return the tables that are read."""
    asked = (lowered.tables for each in statements for lowered in each.all)
    return tuple(sorted(frozenset().union(*asked)))


def _run(run: _Run, statements: list[Statements]) -> tuple[str, list[tuple[Use, str]]]:
    """Return the answer as text, and what was measured; failures read the same."""
    with untold():
        run.measure(statements)
        return to_text(run.published()), run.fresh


ATTEMPTS = 5
"""Plans that are made for one answer, when others measure the same meanwhile."""


def asked_of(
    engine: Engine, lowered: EngineSQL, given: Mapping[str, list[Any]]
) -> Sealed:
    """
    Run a statement on private rows, with earlier answers as its parameters.

    Raises:
        EngineFailure: the engine failed.
    """
    tables, functions = lowered.tables, lowered.functions
    return engine.execute(Statement(lowered.text, tables, functions, given))


@contextmanager
def untold() -> Iterator[None]:
    """
    Give one text to whatever goes wrong after the charge.

    Raises:
        EngineFailure: DPQ502, something did; or as the engine and the ledger do.
    """
    try:
        yield
    except DPQueryError:
        raise
    except Exception:  # noqa: BLE001 -- a cause could tell something of a row
        msg = "the query could not be answered; its charge stands"
        hint = "the same text for every cause: a cause could tell something of the data"
        raise EngineFailure(msg, code="DPQ502", hint=hint) from None


@dataclass(slots=True)
class _Run:
    """One query on its way: what is released so far, and what was made of it."""

    planned: Planned
    above: Above
    fresh: list[tuple[Use, str]] = field(default_factory=list)
    groups: dict[str, list[Group]] = field(default_factory=dict)
    tables: dict[str, Table] = field(default_factory=dict)
    inputs: dict[str, Mapping[str, list[Any]]] = field(default_factory=dict)
    others: dict[str, str] = field(default_factory=dict)
    """For a release, the one whose only row is its last."""

    @property
    def prepared(self) -> Prepared:
        """The query."""
        return self.planned.prepared

    def measure(self, statements: list[Statements]) -> None:
        """Measure release after release; each may read the answers before it."""
        load = self.planned.store.load or _nothing
        steps = zip(
            self.prepared.steps, self.planned.reuse.uses, statements, strict=True
        )
        for priced, uses, each in steps:
            name = priced.step.name
            found, fresh = collected(priced, uses, each, self._ask, load)
            self.groups[name] = found
            self.fresh += fresh
            self.tables[name] = table_of(priced, found)
            self._withheld(priced.step)
        self._put_together()

    def _withheld(self, step: ReleaseStep) -> None:
        """Put the row of what is withheld below the groups that are shown."""
        if step.other_of is not None:
            groups = next(
                s for s in self.prepared.steps if s.step.name == step.other_of
            )
            table, other = self.tables[step.other_of], self.tables[step.name]
            self.tables[step.other_of] = with_row(groups.step, table, other)
            self.others[step.other_of] = step.name

    def _put_together(self) -> None:
        """Let releases know of each other; then shape their cells, where asked to."""
        prepared, load = self.prepared, self.planned.store.load or _nothing
        sets = sets_of(prepared, self.planned.reuse)
        fresh = {id(use): read(text) for use, text in self.fresh} if sets else {}
        for levels in sets:
            put_levels_together(levels, fresh, load, self.groups)
        changed = {level.release for levels in sets for level in levels}
        for priced in prepared.steps:
            if priced.step.name in changed:
                name = priced.step.name
                self.tables[name] = table_of(priced, self.groups[name])
        self.tables = shaped_tables(prepared, self.tables, sets)

    def _ask(self, lowered: EngineSQL) -> Sealed:
        given: dict[str, list[Any]] = {}
        for name in lowered.inputs:
            given |= self._input(name)
        return asked_of(self.above.engine, lowered, given)

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
        if post.outputs is not None:
            hidden = names[len(post.outputs) :]
            names = [*(output.name for output in post.outputs), *hidden]
        found = exactness(
            Sampling(
                self.prepared,
                self.above,
                self.groups,
                self.tables,
                names,
                rows,
                self.others,
            )
        )
        shown = len(names) - post.rows
        return Published(
            columns=tuple(names[:shown]),
            rows=[finite(row[:shown]) for row in rows],
            estimates=found.estimates,
            notes=(
                *notes(self.prepared),
                *level_notes(self.prepared, self.planned.reuse),
                *shaping_notes(self.prepared),
                *reuse_notes(self.planned.reuse),
                *found.notes,
            ),
            floored=floored(self.prepared),
            flags=found.flags,
        )


def _nothing(_: str) -> StoredReadings:
    msg = "nothing was measured before"
    raise ValueError(msg)
