"""What the audit's events say was charged, answered and accepted, as one account."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from sqlalchemy import select

from dpquery.accounting.accountant import loss_of_events
from dpquery.accounting.events import from_json
from dpquery.accounting.loss import Loss
from dpquery.ledger.chain import Entry
from dpquery.ledger.records import DATASET
from dpquery.ledger.schema import EVENTS

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from sqlalchemy import Connection

    from dpquery.accounting.loss import Definition

Debits: TypeAlias = dict[str, tuple[int, int]]
"""Amount and delta of each scope; scopes that were debited nothing are left out."""


def read_events(connection: Connection) -> Generator[Entry]:
    """Return all events, in order; close it when it is not read to its end."""
    columns = (
        *(EVENTS.c.number, EVENTS.c.at, EVENTS.c.actor, EVENTS.c.kind),
        *(EVENTS.c.body, EVENTS.c.previous, EVENTS.c.hash),
    )
    query = select(*columns).order_by(EVENTS.c.number)
    with connection.execute(query, execution_options={"yield_per": 1000}) as rows:
        for row in rows:
            yield Entry(*row)


@dataclass(frozen=True, slots=True)
class Told:
    """One release, as the events tell of it."""

    event: int
    actor: str
    facts: dict[str, Any]


@dataclass(slots=True)
class Account:
    """All that the events say; *wrong* is what cannot be."""

    definition: Definition
    charged: dict[str, Told] = field(default_factory=dict)
    settled: dict[str, Told] = field(default_factory=dict)
    accepted: dict[str, Debits] = field(default_factory=dict)
    migrated: dict[str, Any] | None = None
    wrong: list[tuple[int, str]] = field(default_factory=list)
    """The event, and what is wrong with it."""

    @property
    def old_releases(self) -> int:
        """How many releases are older than the audit."""
        return int((self.migrated or {}).get("releases", 0))

    def hear(self, entry: Entry) -> None:
        """Take in one event."""
        heard = _KINDS.get(entry.kind)
        if heard is None:
            self.wrong.append((entry.number, f"is of an unknown kind {entry.kind!r}"))
            return
        try:
            heard(self, entry, entry.facts())
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            self.wrong.append((entry.number, f"does not say what a {entry.kind} says"))

    def _note(self, entry: Entry, facts: dict[str, Any]) -> None:
        """Moves no budget."""

    def _created(self, entry: Entry, facts: dict[str, Any]) -> None:
        if entry.number != 1:
            self.wrong.append(
                (entry.number, f"says {entry.kind}, but is not the first")
            )
        if entry.kind == "migrated":
            debits_of(facts)
            self.migrated = facts

    def _charged(self, entry: Entry, facts: dict[str, Any]) -> None:
        release, events = str(facts["release"]), from_json(facts["noise"])
        paid = Loss(self.definition, *debits_of(facts).get(DATASET, (0, 0)))
        if release in self.charged:
            self.wrong.append((entry.number, f"charges {release} again"))
        if not loss_of_events(events, self.definition).within(paid):
            self.wrong.append((entry.number, f"charges {release} less than its noise"))
        self.charged[release] = Told(entry.number, entry.actor, facts)

    def _settled(self, entry: Entry, facts: dict[str, Any]) -> None:
        release = str(facts["release"])
        if release in self.settled:
            self.wrong.append((entry.number, f"answers {release} again"))
        told = self.charged.get(release)
        if told is None and not self.old_releases:
            self.wrong.append((entry.number, f"answers {release}, never charged"))
        elif told is not None:
            promised = set(told.facts["measured"])
            if not promised.issuperset(facts["measurements"]):
                self.wrong.append((entry.number, "measures what was not charged"))
        self.settled[release] = Told(entry.number, entry.actor, dict(facts))

    def _accepted(self, _: Entry, facts: dict[str, Any]) -> None:
        self.accepted[str(facts["release"])] = debits_of(facts)

    def debits(self) -> Iterator[tuple[str, Debits]]:
        """Return the debits of each release that an event tells of."""
        for release, told in self.charged.items():
            yield release, debits_of(told.facts)
        yield from self.accepted.items()


def debits_of(facts: dict[str, Any]) -> Debits:
    """Return the debits in an event."""
    found = {}
    for scope, (amount, delta) in facts["debits"].items():
        if type(amount) is not int or type(delta) is not int or min(amount, delta) < 0:
            raise ValueError("not an amount")
        if amount or delta:
            found[str(scope)] = (amount, delta)
    return found


_KINDS: dict[str, Callable[[Account, Entry, dict[str, Any]], None]] = {
    "created": Account._created,  # noqa: SLF001 -- this file's own table
    "migrated": Account._created,  # noqa: SLF001
    "charged": Account._charged,  # noqa: SLF001
    "settled": Account._settled,  # noqa: SLF001
    "accepted": Account._accepted,  # noqa: SLF001
    **dict.fromkeys(
        ("refused", "policy", "requested", "approved", "denied", "alert"),
        Account._note,  # noqa: SLF001
    ),
}
KINDS = frozenset(_KINDS)
"""Every kind of event there is."""
