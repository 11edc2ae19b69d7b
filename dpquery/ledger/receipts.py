"""
Receipts: what a release cost, signed, to be checked by whoever has nothing else.

A receipt holds the release's events with exactly the fields that are hashed, so that a
third party recomputes the loss, the hash and the signature. The signing key lies beside
the ledger's head; whoever has it can sign anything, so the public key is to be handed
out by another way than the receipts.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from dpquery.accounting.accountant import loss_of_events
from dpquery.accounting.events import from_json
from dpquery.accounting.loss import Definition, Loss
from dpquery.errors import LedgerError
from dpquery.ledger import signing
from dpquery.ledger.audit import meta
from dpquery.ledger.chain import Entry, link, to_body
from dpquery.ledger.journal import newest
from dpquery.ledger.opening import open_to_read
from dpquery.ledger.records import DATASET
from dpquery.ledger.told import Account, debits_of, read_events

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Connection

_FORMAT = 1
_UNITS = {
    "amount": "1e-12 of rho (zcdp) or of epsilon (pure)",
    "delta": "1e-18",
    "hash": "SHA-256 of the JSON array [number, at, actor, kind, body, previous], "
    "without spaces, as UTF-8",
    "signature": "Ed25519 over this object without `signature`, as JSON with sorted "
    "keys and without spaces, as UTF-8",
}


def issue(location: str, release: str, keys: Path) -> dict[str, Any]:
    """
    Return the signed receipt of *release*; the key is made when there is none.

    Raises:
        LedgerError: the audit has no such release (DPQ561), or the key cannot be used
            (DPQ562).
    """
    database = open_to_read(location)
    try:
        with database.reading() as connection:
            record = _record(connection, release)
    finally:
        database.close()
    key = signing.own_key(keys)
    record["key"] = signing.public_text(key)
    return record | {"signature": signing.sign(key, to_body(record))}


def _record(connection: Connection, release: str) -> dict[str, Any]:
    facts = meta(connection)
    account = Account(Definition(facts["definition"]))
    entries: dict[int, Entry] = {}
    for entry in read_events(connection):
        account.hear(entry)
        if entry.kind in {"charged", "settled"}:
            entries[entry.number] = entry
    charge = account.charged.get(release)
    if charge is None:
        raise LedgerError(
            f"the audit has no release {release[:40]!r}",
            code="DPQ561",
            hint="`dpquery history` lists releases; those that are older than the "
            "audit have no receipt",
        )
    answer = account.settled.get(release)
    number, hash_ = newest(connection)
    return {
        "dpquery_receipt": _FORMAT,
        "units": _UNITS,
        "ledger": facts["ledger"],
        "definition": facts["definition"],
        "release": release,
        **_readable(
            charge.actor, charge.facts, None if answer is None else answer.facts
        ),
        "charged": asdict(entries[charge.event]),
        "settled": None if answer is None else asdict(entries[answer.event]),
        "head": {"number": number, "hash": hash_},
    }


def _readable(
    analyst: str, charge: dict[str, Any], answer: dict[str, Any] | None
) -> dict[str, Any]:
    """Return what the events say, for a reader; it is checked against them."""
    return {
        "analyst": analyst,
        "policy": charge["policy"],
        "data": charge["data"],
        "plan": charge["plan"],
        "noise": json.loads(charge["noise"]),
        "debits": charge["debits"],
        "answer": None if answer is None else answer["answer"],
    }


@dataclass(frozen=True, slots=True)
class Checked:
    """What a receipt proves, and why it does not."""

    flaws: tuple[str, ...]
    release: str = ""
    key: str = ""
    """The public key, in base64."""
    key_given: bool = False
    """Whether it was given, or is only what the receipt says of itself."""
    lost: Loss | None = None
    """What the noise loses, computed anew."""
    paid: Loss | None = None
    """What the dataset was debited."""


def check(text: str, key: bytes | None = None) -> Checked:
    """
    Check a receipt, with nothing but its *text* and perhaps the signer's public *key*.

    Raises:
        LedgerError: DPQ562, the key that was given is none.
    """
    given = None if key is None else signing.read_public(key)
    try:
        record = read(text)
        lost, paid, flaws = _flaws(record)
        flaws += _signature_flaws(record, given)
        return Checked(
            tuple(flaws),
            str(record["release"]),
            str(record["key"]),
            given is not None,
            lost,
            paid,
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return Checked(("this is no receipt that dpquery has written",))


def read(text: str) -> dict[str, Any]:
    """
    Return a receipt as data.

    Raises:
        ValueError: it is none.
    """
    record = json.loads(text)
    if not isinstance(record, dict) or record.get("dpquery_receipt") != _FORMAT:
        raise ValueError("no receipt, or a newer one")
    return record


def _flaws(record: dict[str, Any]) -> tuple[Loss, Loss, list[str]]:
    definition = Definition(record["definition"])
    charged = Entry(**record["charged"])
    settled = None if record["settled"] is None else Entry(**record["settled"])
    flaws = [
        f"the hash of event {entry.number} is another"
        for entry in (charged, settled)
        if entry is not None and hash_of(entry) != entry.hash
    ]
    answer = None if settled is None else settled.facts()
    facts = charged.facts()
    readable = _readable(charged.actor, facts, answer)
    flaws += [
        f"its {name} is not what its event says"
        for name, said in readable.items()
        if record[name] != said
    ]
    releases = {record["release"], facts["release"]}
    releases |= set() if answer is None else {answer["release"]}
    kinds = (charged.kind, "settled" if settled is None else settled.kind)
    if len(releases) > 1 or kinds != ("charged", "settled"):
        flaws.append("its events are not those of its release")
    lost = loss_of_events(from_json(facts["noise"]), definition)
    paid = Loss(definition, *debits_of(facts).get(DATASET, (0, 0)))
    if not lost.within(paid):
        flaws.append("its noise loses more than what was debited")
    flaws += _order_flaws(record, charged, settled)
    return lost, paid, flaws


def hash_of(entry: Entry) -> str:
    """Return an event's hash, computed anew."""
    fields = (entry.number, entry.at, entry.actor, entry.kind, entry.body)
    return link(*fields, entry.previous)


def _order_flaws(
    record: dict[str, Any], charged: Entry, settled: Entry | None
) -> list[str]:
    """Check that charge, answer and head follow each other."""
    if settled is not None and settled.number <= charged.number:
        return ["it was answered before it was charged"]
    if links_of(record) is None or record["head"]["number"] < charged.number:
        return ["its head is not one of its chain"]
    return []


def links_of(record: dict[str, Any]) -> dict[int, str] | None:
    """Return the hashes of events that a receipt knows; ``None``: it knows two."""
    known: dict[int, str] = {}
    settled = [] if record["settled"] is None else [Entry(**record["settled"])]
    for entry in [Entry(**record["charged"]), *settled]:
        for number, hash_ in (
            (entry.number - 1, entry.previous),
            (entry.number, entry.hash),
        ):
            if known.setdefault(number, hash_) != hash_:
                return None
    number, hash_ = record["head"]["number"], record["head"]["hash"]
    return known if known.setdefault(number, hash_) == hash_ else None


def _signature_flaws(
    record: dict[str, Any], given: signing.PublicKey | None
) -> list[str]:
    own = signing.public_from_text(str(record["key"]))
    unsigned = {k: v for k, v in record.items() if k != "signature"}
    signer = own if given is None else given
    if signing.holds(signer, str(record["signature"]), to_body(unsigned)):
        return []
    if given is not None and signing.public_text(given) != record["key"]:
        return ["it was signed with another key than the one given"]
    return ["its signature is not of this text"]


def follows(later: str, earlier: str) -> tuple[str, ...]:
    """
    Return why two receipts cannot lie in one chain in this order; often nothing.

    Both must have been checked. Receipts hold no events of others, so that what is
    between them is not proven: that they contradict each other would be.
    """
    first, second = read(earlier), read(later)
    flaws = []
    if (first["ledger"], first["key"]) != (second["ledger"], second["key"]):
        flaws.append("they are of two ledgers, or of two keys")
    if first["charged"]["number"] >= second["charged"]["number"]:
        flaws.append("it was not charged after the other one")
    one, other = links_of(first) or {}, links_of(second) or {}
    if any(one[number] != other[number] for number in one.keys() & other.keys()):
        flaws.append("they are of two different chains: one of them was taken back")
    return tuple(flaws)
