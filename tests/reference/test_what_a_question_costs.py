"""From end to end: what is charged, what is free, and what survives a crash."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import dpquery.errors
from dpquery.accounting.accountant import loss_of_events
from dpquery.accounting.events import from_json
from dpquery.accounting.loss import Definition, Loss
from dpquery.engines.duckdb import DuckDBEngine
from dpquery.kernel import measurement
from dpquery.ledger.records import DATASET, analyst_scope
from dpquery.service import Service

from .scenarios import loose_policy

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dpquery.accounting.events import Event
    from dpquery.noise.calibration import Additive

SQL = "SELECT ward, COUNT(*) AS n, AVG(cost) AS mean FROM visits GROUP BY ward"
EPSILON = 100
"""Much, for the bounds are loose: most wards are shown, with visible noise."""

KILLED = f"""
import os, signal, sys
from dpquery.service import Service

service = Service.open(sys.argv[1])
service.backends.engine.execute = lambda _: os.kill(os.getpid(), signal.SIGKILL)
service.session("alice").query("{SQL}", epsilon={EPSILON})
"""
ASKED_AGAIN = f"""
import sys
from dpquery.service import Service

answer = Service.open(sys.argv[1]).session("alice").query("{SQL}", epsilon={EPSILON})
print(answer.id, answer.replayed, answer.rows)
"""


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    return loose_policy("clinic", tmp_path)


def in_another_process(script: str, policy: Path) -> subprocess.CompletedProcess[str]:
    root = Path(dpquery.errors.__file__).parents[2]
    return subprocess.run(  # noqa: S603 -- our own script
        [sys.executable, "-c", script, str(policy)],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(root)},
        check=False,
    )


def spent(service: Service, analyst: str = "alice") -> tuple[Loss, Loss]:
    """Return what the analyst and the dataset have spent."""
    ledger = service.backends.ledger
    return ledger.spent(analyst_scope(analyst)), ledger.spent(DATASET)


def test_the_same_question_again_is_free_and_the_same_to_the_bit(policy: Path) -> None:
    with Service.open(policy) as service:
        session = service.session("alice")
        first = session.query(SQL, epsilon=EPSILON)
        charged = spent(service)
        again = session.query(SQL.lower().replace("from", "\nFROM "), epsilon=EPSILON)
        assert (first.replayed, again.replayed) == (False, True)
        assert (again.id, again.rows) == (first.id, first.rows)
        assert again.intervals() == first.intervals()
        assert spent(service) == charged
    with Service.open(policy) as service:
        later = service.session("alice").query(SQL, epsilon=EPSILON)
        assert (later.id, later.replayed, later.rows) == (first.id, True, first.rows)
        assert spent(service) == charged
    elsewhere = in_another_process(ASKED_AGAIN, policy)
    assert elsewhere.stdout == f"{first.id} True {first.rows}\n"


def test_another_epsilon_is_another_answer_and_another_charge(policy: Path) -> None:
    with Service.open(policy) as service:
        session = service.session("alice")
        first = session.query(SQL, epsilon=EPSILON)
        before, _ = spent(service)
        other = session.query(SQL, epsilon=2 * EPSILON)
        after, dataset = spent(service)
        assert not other.replayed
        assert other.id != first.id
        assert other.rows != first.rows  # some 20 noisy numbers
        assert after.amount > 2 * before.amount
        assert after == dataset


def test_another_analyst_pays_for_the_same_answer_and_the_dataset_does_not(
    policy: Path,
) -> None:
    with Service.open(policy) as service:
        first = service.session("alice").query(SQL, epsilon=EPSILON)
        alice, before = spent(service)
        theirs = service.session("bob").query(SQL, epsilon=EPSILON)
        bob, dataset = spent(service, "bob")
        assert not theirs.replayed
        assert (theirs.columns, theirs.rows) == (first.columns, first.rows)
        assert bob == alice
        assert dataset == before == alice


def test_the_debit_is_the_loss_of_the_noise_that_was_drawn(
    policy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[Event] = []
    real = measurement.measure

    def watched(noise: Additive, exact: Sequence[int], loss: Loss) -> list[int]:
        drawn.append(noise.event())
        return real(noise, exact, loss)

    monkeypatch.setattr(measurement, "measure", watched)
    with Service.open(policy) as service:
        service.session("alice").query(SQL, epsilon=EPSILON)
        alice, dataset = spent(service)
    with sqlite3.connect(policy.with_name("clinic.ledger")) as ledger:
        ((stored,),) = ledger.execute("SELECT events FROM releases").fetchall()
    ledger.close()
    *noises, withholding = from_json(stored)
    assert noises == drawn
    assert withholding.delta == 1e-10
    needed = loss_of_events([*drawn, withholding], Definition.ZCDP)
    assert needed.within(alice)
    # paid in whole units of the ledger, one moment at a time
    assert alice.amount - needed.amount <= 1e-6 * alice.amount
    assert alice == dataset


def test_a_debit_survives_kill_9_before_the_answer(policy: Path) -> None:
    killed = in_another_process(KILLED, policy)
    assert killed.returncode == -signal.SIGKILL
    with Service.open(policy) as service:
        session = service.session("alice")
        price = session.price(SQL, epsilon=EPSILON)
        lost, _ = spent(service)
        assert lost.rho == price.rho
        assert [each.state for each in session.history()] == ["reserved"]
        answer = session.query(SQL, epsilon=EPSILON)
        assert not answer.replayed  # there was no answer to repeat
        assert spent(service) == (lost + lost, lost + lost)
        assert [e.state for e in session.history()] == ["settled", "reserved"]


def test_a_price_reads_no_data_and_charges_nothing(
    policy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def execute(*_: object) -> None:
        pytest.fail("pricing must not run a query")

    monkeypatch.setattr(DuckDBEngine, "execute", execute)
    with Service.open(policy) as service:
        session = service.session("alice")
        price = session.price(SQL, epsilon=EPSILON)
        assert price.epsilon == pytest.approx(EPSILON)
        assert price.explain()
        assert spent(service) == (Loss.zero(Definition.ZCDP),) * 2
        assert session.history() == []
