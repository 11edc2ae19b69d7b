"""A receipt can be checked with nothing else, and every change of it is seen."""

from __future__ import annotations

import hashlib
import json
import stat
from base64 import b64decode
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from dpquery.accounting.events import GaussianNoise, Withholding
from dpquery.accounting.loss import Definition, Loss
from dpquery.ledger import receipts, signing

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path

    from dpquery.ledger.records import Charge
    from dpquery.ledger.store import Ledger

    OpenLedger = Callable[..., Ledger]
    MakeCharge = Callable[..., Charge]
    FailsWith = Callable[[str], AbstractContextManager[None]]

NOISE = (GaussianNoise(3.0, 10.0), Withholding(1e-10))
LOSS = Loss.up(Definition.ZCDP, 0.046, 1e-9)


@pytest.fixture
def location(path: Path) -> str:
    """A file: an audit is read alike from a server (test_ledger_audit.py)."""
    return str(path)


@pytest.fixture
def keys(head: Path) -> Path:
    return head.with_name("clinic.ledger.key")


@pytest.fixture
def releases(open_ledger: OpenLedger, make_charge: MakeCharge) -> list[str]:
    """Three releases; the last one has no answer."""
    with open_ledger() as ledger:
        charge = make_charge(loss=LOSS, events=NOISE, policy="p")
        leases = [ledger.reserve(charge) for _ in range(3)]
        for lease in leases[:2]:
            ledger.settle(lease, "the answer")
    return [lease.release_id for lease in leases]


@pytest.fixture
def issue(
    location: str, releases: list[str], keys: Path
) -> Callable[[int], dict[str, Any]]:
    return lambda at: receipts.issue(location, releases[at], keys)


def text(record: dict[str, Any]) -> str:
    return json.dumps(record, indent=1)


def test_a_receipt_says_what_happened(
    issue: Callable[[int], dict[str, Any]], releases: list[str], keys: Path
) -> None:
    record = issue(0)
    assert record["release"] == releases[0]
    assert (record["analyst"], record["policy"], record["plan"]) == ("alice", "p", "f")
    assert record["noise"][0]["scale"] == 10.0
    assert record["debits"]["dataset"] == [LOSS.amount, LOSS.delta]
    assert record["answer"] == hashlib.sha256(b"the answer").hexdigest()
    assert record["head"]["number"] == 6
    assert issue(2)["answer"] is None
    found = receipts.check(text(record))
    assert found.flaws == ()
    assert (found.lost, found.paid) == (Loss.up(Definition.ZCDP, 0.045, 1e-10), LOSS)
    assert not found.key_given
    assert receipts.check(text(record), keys.with_suffix(".pub").read_bytes()).key_given


def test_a_third_party_needs_nothing_of_ours(
    issue: Callable[[int], dict[str, Any]],
) -> None:
    """By the words of `units`, with hashlib and an Ed25519 of their own."""
    record = issue(0)
    event = record["settled"]
    names = ("number", "at", "actor", "kind", "body", "previous")
    array = json.dumps([event[name] for name in names], separators=(",", ":"))
    assert hashlib.sha256(array.encode()).hexdigest() == event["hash"]
    signature = b64decode(record.pop("signature"))
    body = json.dumps(record, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    key = Ed25519PublicKey.from_public_bytes(b64decode(record["key"]))
    key.verify(signature, body.encode())


def test_the_key_is_made_once_and_for_its_owner_alone(
    issue: Callable[[int], dict[str, Any]], keys: Path
) -> None:
    assert issue(0)["key"] == issue(1)["key"]
    assert stat.S_IMODE(keys.stat().st_mode) == 0o600
    names = {each.name for each in keys.parent.iterdir()}
    assert {name for name in names if "key" in name or "pub" in name} == {
        "clinic.ledger.key",
        "clinic.ledger.pub",
    }
    public = signing.read_public(keys.with_suffix(".pub").read_bytes())
    assert signing.public_text(public) == issue(0)["key"]


def change(record: dict[str, Any], path: str, value: object) -> dict[str, Any]:
    changed = json.loads(json.dumps(record))
    *steps, last = path.split(".")
    inner = changed
    for step in steps:
        inner = inner[step]
    assert inner[last] != value
    inner[last] = value
    return changed


CHANGES = [
    ("release", "r_0"),
    ("analyst", "bob"),
    ("policy", "q"),
    ("data", "v2"),
    ("plan", "g"),
    ("noise", []),
    ("debits", {"dataset": [1, 0]}),
    ("answer", "0" * 64),
    ("answer", None),
    ("ledger", "l_0"),
    ("definition", "pure"),
    ("units", {}),
    ("head.number", 7),
    ("head.number", 1),
    ("head.hash", "0" * 64),
    ("charged.number", 9),
    ("charged.actor", "bob"),
    ("charged.at", "2020-01-01T00:00:00+00:00"),
    ("charged.body", "{}"),
    ("charged.previous", "0" * 64),
    ("charged.hash", "0" * 64),
    ("charged.kind", "settled"),
    ("settled", None),
    ("settled.number", 1),
    ("settled.kind", "charged"),
    ("key", "AAAA"),
    ("signature", "AAAA"),
    ("signature", None),
    ("dpquery_receipt", 2),
]


@pytest.mark.parametrize(("field", "value"), CHANGES, ids=str)
def test_any_change_is_seen(
    issue: Callable[[int], dict[str, Any]], field: str, value: object
) -> None:
    assert receipts.check(text(change(issue(0), field, value))).flaws


@pytest.mark.parametrize(
    ("field", "value"),
    [
        (field, value)
        for field, value in CHANGES
        if field.partition(".")[0] not in {"units", "ledger", "key", "signature"}
        and (field, value) not in [("head.number", 7), ("head.hash", "0" * 64)]
    ],
    ids=str,
)
def test_signing_a_change_anew_does_not_help_where_it_contradicts_the_rest(
    issue: Callable[[int], dict[str, Any]], keys: Path, field: str, value: object
) -> None:
    """But the signer can lie: which is why the key has to be known."""
    record = change(issue(0), field, value)
    del record["signature"]
    key = signing.own_key(keys)
    signature = signing.sign(key, receipts.to_body(record))
    assert receipts.check(text(record | {"signature": signature})).flaws


@pytest.mark.parametrize(
    "content",
    ["", "{}", "[]", "null", "nonsense", '{"dpquery_receipt": 1}', "[" * 9999],
)
def test_what_is_no_receipt(content: str) -> None:
    assert receipts.check(content).flaws == (
        "this is no receipt that dpquery has written",
    )


def test_the_wrong_key(
    issue: Callable[[int], dict[str, Any]], tmp_path: Path, fails_with: FailsWith
) -> None:
    signing.own_key(tmp_path / "other.key")
    other = (tmp_path / "other.pub").read_bytes()
    (flaw,) = receipts.check(text(issue(0)), other).flaws
    assert "another key" in flaw
    with fails_with("DPQ562"):
        receipts.check(text(issue(0)), b"no key")


def test_a_damaged_key(
    issue: Callable[[int], dict[str, Any]], keys: Path, fails_with: FailsWith
) -> None:
    keys.write_text("nonsense")
    with fails_with("DPQ562"):
        issue(0)
    assert keys.read_text() == "nonsense"


def test_an_unknown_release(
    location: str, releases: list[str], keys: Path, fails_with: FailsWith
) -> None:
    assert releases
    with fails_with("DPQ561"):
        receipts.issue(location, "r_0", keys)
    assert not keys.exists()


def test_receipts_in_order(issue: Callable[[int], dict[str, Any]]) -> None:
    first, second = text(issue(0)), text(issue(1))
    assert receipts.follows(second, first) == ()
    assert "not charged after" in receipts.follows(first, second)[0]
    assert receipts.follows(first, first)


def test_receipts_of_two_chains(
    issue: Callable[[int], dict[str, Any]], keys: Path
) -> None:
    first, second = issue(0), issue(1)
    charged = dict(second["charged"], previous="f" * 64)
    charged["hash"] = receipts.hash_of(receipts.Entry(**charged))
    forged = second | {"charged": charged}
    del forged["signature"]
    key = signing.own_key(keys)
    forged["signature"] = signing.sign(key, receipts.to_body(forged))
    assert receipts.check(text(forged)).flaws == ()  # by itself it holds
    assert "two different chains" in receipts.follows(text(forged), text(first))[0]
    other = change(second, "ledger", "l_0")
    assert "two ledgers" in receipts.follows(text(other), text(first))[0]
