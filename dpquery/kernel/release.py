"""The one place where exact becomes noisy: reserve, execute, measure, settle.

Upheld here (threats.md 1): the charge is durable before any row is read (I2); exact
values live between :meth:`Sealed.open` and :func:`measure`, in this module only; what
comes out has the noise that was charged for, or nothing comes out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dpquery.engines.base import Statement
from dpquery.errors import DPQueryError, EngineFailure
from dpquery.kernel.estimates import estimate, value
from dpquery.kernel.payload import Published, from_text, to_text
from dpquery.kernel.postprocess import postprocess
from dpquery.kernel.prepare import released_outputs
from dpquery.ledger.store import Charge
from dpquery.noise.additive import measure
from dpquery.noise.intervals import point
from dpquery.plan.analysis.dependencies import DEFAULT_ROWS_PER_UNIT, undeclared
from dpquery.sql.lower import lower_release

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dpquery.accounting.loss import Loss
    from dpquery.engines.base import Engine, Limits
    from dpquery.engines.released import ReleasedDatabase
    from dpquery.kernel.prepare import Prepared, PricedStep
    from dpquery.ledger.store import Ledger
    from dpquery.noise.intervals import Estimate
    from dpquery.plan.aggregates import Moment

MAX_GROUPS = 1_000_000
"""Groups that one release may have before withholding."""


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


def release(prepared: Prepared, asked: Asked, backends: Backends) -> Answer:
    """
    Answer *prepared* once, charging for it before any row is read.

    An answer that this analyst already has, on the same data, is given again for
    nothing, bit for bit.

    Raises:
        BudgetExceeded: nothing was charged.
        EngineFailure: the charge stands; whether a query fails can depend on the
            data, so a refund would be an unpaid answer.
        LedgerError: the ledger cannot be trusted, read or written.
    """
    ledger = backends.ledger
    stored = ledger.find(asked.analyst, prepared.fingerprint, asked.data_version)
    if stored is not None:
        return Answer(stored.release_id, from_text(stored.payload), replayed=True)
    statements = [_statement(priced) for priced in prepared.steps]
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
    text = _run(prepared, statements, backends)
    ledger.settle(lease, text)
    return Answer(lease.release_id, from_text(text), replayed=False)


def _run(
    prepared: Prepared, statements: Sequence[Statement], backends: Backends
) -> str:
    """Return the published answer as text; every failure reads the same."""
    try:
        (exact,) = [backends.engine.execute(statement) for statement in statements]
        groups = _measured(prepared.only_step, exact.open())
        return to_text(_publish(prepared, groups, backends))
    except DPQueryError:
        raise
    except Exception:  # noqa: BLE001 -- a cause could tell something of a row
        raise _failed() from None


def _statement(priced: PricedStep) -> Statement:
    lowered = lower_release(priced.step)
    return Statement(lowered.text, lowered.tables, lowered.functions)


@dataclass(frozen=True, slots=True)
class _Group:
    """One released group."""

    keys: tuple[Any, ...]
    readings: dict[Moment, int]


def _measured(priced: PricedStep, exact: Sequence[tuple[Any, ...]]) -> list[_Group]:
    """
    Return noisy groups, sorted by key; those below the threshold are gone.

    Noise is drawn for every group before any is looked at, one vector per moment:
    the vector of all groups has the sensitivity that was calibrated for.
    """
    if len(exact) > MAX_GROUPS:
        raise _failed()
    count = len(priced.step.keys)
    if len({row[:count] for row in exact}) < len(exact):
        raise _failed()  # a group that is there twice has twice its sensitivity
    rows = sorted(exact, key=lambda row: [_sort_key(cell) for cell in row[:count]])
    columns = [
        measure(noise, [row[count + at] for row in rows], loss)
        for at, (noise, loss) in enumerate(
            zip(priced.noise, priced.handed_out, strict=True)
        )
    ]
    moments = [bounded.moment for bounded in priced.step.moments]
    groups = [
        _Group(row[:count], dict(zip(moments, noisy, strict=True)))
        for row, *noisy in zip(rows, *columns, strict=True)
    ]
    unit = priced.unit_moment
    if priced.threshold is None or unit is None:
        return groups
    units = moments[unit]
    return [group for group in groups if group.readings[units] >= priced.threshold]


def _failed() -> EngineFailure:
    msg = "the query could not be answered; its charge stands"
    hint = "the same text for every cause: a cause could tell something of the data"
    return EngineFailure(msg, code="DPQ502", hint=hint)


def _sort_key(cell: object) -> tuple[bool, Any]:
    """Order keys by value, NULL last; never by the order in which rows were read."""
    return (cell is None, 0 if cell is None else cell)


def _publish(
    prepared: Prepared, groups: Sequence[_Group], backends: Backends
) -> Published:
    """Turn noisy groups into the answer; post-processing from here on."""
    priced = prepared.only_step
    released = [
        (*group.keys, *(value(c, priced, group.readings) for c in priced.step.columns))
        for group in groups
    ]
    rows, origins = postprocess(prepared, released, backends.released, backends.limits)
    estimates: dict[str, list[Estimate | None]] = {}
    for output, column in released_outputs(prepared):
        cells = [
            estimate(column.estimator, priced, groups[at].readings) for at in origins
        ]
        known = [None if point(each) is None else each for each in cells]
        estimates[output.name] = known
    return Published(
        columns=tuple(output.name for output in prepared.post.outputs),
        rows=rows,
        estimates=estimates,
        notes=notes(prepared),
    )


def notes(prepared: Prepared) -> tuple[str, ...]:
    """Return what the analyst should know of the answer: of the plan, not of data."""
    priced = prepared.only_step
    kind = priced.step.source.kind
    found = [
        f"the policy does not say how many rows of {table} a {kind} has; "
        f"{DEFAULT_ROWS_PER_UNIT} are assumed, and whoever has more counts for less"
        for table in undeclared(priced.step.source.relation)
    ]
    if priced.threshold is not None and priced.unit_moment is not None:
        steps = priced.step.moments[priced.unit_moment].steps
        units = -(-priced.threshold // steps)
        small = f"groups with fewer than about {units:,} {kind}s"
        found.append(f"{small} are withheld: their keys are not public")
    return tuple(found)
