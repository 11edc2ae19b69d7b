"""What a new policy changes in an old one: weaker, stronger or neutral, and why.

Weaker is what lets anybody learn more of a unit than before, lifts a limit, or ends an
old promise. What only costs or gives accuracy is neutral. What no rule knows is weaker:
a difference is never passed over in silence.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, cast

from pydantic import BaseModel

from dpquery.policy import diff_reasons as why
from dpquery.policy.catalog import fold
from dpquery.policy.ownership import find

if TYPE_CHECKING:
    from dpquery.policy.document import Location
    from dpquery.policy.model import Epochs, Policy, Table


class Effect(StrEnum):
    """What a difference does to what was promised."""

    WEAKER = "weaker"
    STRONGER = "stronger"
    NEUTRAL = "neutral"


@dataclass(frozen=True, slots=True)
class Difference:
    """One part that two policies say differently; ``None`` is nothing."""

    at: Location
    old: object
    new: object

    @property
    def added(self) -> bool:
        """Whether only the new policy has it."""
        return self.old is None

    @property
    def removed(self) -> bool:
        """Whether only the old policy has it."""
        return self.new is None


@dataclass(frozen=True, slots=True)
class Change:
    """A difference, and what it does."""

    difference: Difference
    effect: Effect
    reason: str

    @property
    def where(self) -> str:
        """The key, as a path."""
        return ".".join(str(step) for step in self.difference.at)

    @property
    def what(self) -> str:
        """What was there, and what is there now."""
        old, new = self.difference.old, self.difference.new
        if self.difference.added:
            return "added" if isinstance(new, BaseModel) else f"added: {said(new)}"
        if self.difference.removed:
            return "removed" if isinstance(old, BaseModel) else f"removed: {said(old)}"
        return f"{said(old)} → {said(new)}"


_Verdict = tuple[Effect, str]
_Rule = Callable[[Difference, "Policy", "Policy"], _Verdict]


def changes(old: Policy, new: Policy) -> list[Change]:
    """Return every difference of two policies; the weaker ones first."""
    found = []
    for each in differences(old, new):
        effect, reason = _rule(each.at)(each, old, new)
        found.append(Change(each, effect, reason))
    return sorted(found, key=lambda each: list(Effect).index(each.effect))


def differences(old: object, new: object, at: Location = ()) -> Iterator[Difference]:
    """Yield the smallest parts that differ; names in SQL are the same in any case."""
    if isinstance(old, BaseModel) and type(old) is type(new):
        for name in type(old).model_fields:
            yield from differences(getattr(old, name), getattr(new, name), (*at, name))
    elif isinstance(old, Mapping) and isinstance(new, Mapping):
        plain: Callable[[str], str] = str if at == ("analysts",) else fold
        there = {plain(name): value for name, value in old.items()}
        here = {plain(name): (name, value) for name, value in new.items()}
        for name, value in old.items():
            if plain(name) not in here:
                yield Difference((*at, name), value, None)
        for key, (name, value) in here.items():
            yield from differences(there.get(key), value, (*at, name))
    elif old != new and not _same_name(at, old, new):
        yield Difference(at, old, new)


def _same_name(at: Location, old: object, new: object) -> bool:
    """Tell whether both are one name in SQL, where *at* holds a name."""
    names = at[-1] in _NAMES or "references" in at
    both = isinstance(old, str) and isinstance(new, str)
    return names and both and fold(str(old)) == fold(str(new))


_NAMES = {"privacy_unit_column", "key", "values_from", "column"}


def said(value: object) -> str:
    """Write a value of a policy in one line."""
    match value:
        case bool():
            return str(value).lower()
        case Decimal():
            return (
                f"{value:f}"
                if value == 0 or abs(value) >= Decimal("1e-3")
                else (f"{value.normalize():e}".lower())
            )
        case dt.date():
            return value.isoformat()
        case tuple():
            return "[" + ", ".join(said(each) for each in value) + "]"
        case None:
            return "null"
        case Mapping():
            return ", ".join(value) or "none"
        case _:
            text = " ".join(str(value).split())
            return text if len(text) <= _LONG else text[:_LONG] + " …"


_LONG = 60


def _rule(at: Location) -> _Rule:
    """Return the rule for a part; ``*`` in a pattern is any name."""
    for pattern, rule in _RULES:
        if len(pattern) == len(at) and all(
            wanted in {"*", step} for wanted, step in zip(pattern, at, strict=True)
        ):
            return rule
    return _unknown


def _unknown(_: Difference, __: Policy, ___: Policy) -> _Verdict:
    return Effect.WEAKER, why.UNKNOWN


def _always(effect: Effect, reason: str) -> _Rule:
    return lambda *_: (effect, reason)


def _neutral(reason: str) -> _Rule:
    return _always(Effect.NEUTRAL, reason)


def _limit(larger: str, smaller: str, lifted: str, set_: str) -> _Rule:
    """Make the rule for a number that limits: more is weaker, no limit weakest."""

    def rule(each: Difference, _: Policy, __: Policy) -> _Verdict:
        if each.removed:
            return Effect.WEAKER, lifted
        if each.added:
            return Effect.STRONGER, set_
        old, new = cast("Decimal", each.old), cast("Decimal", each.new)
        return (Effect.WEAKER, larger) if new > old else (Effect.STRONGER, smaller)

    return rule


def _presence(added: str, removed: str) -> _Rule:
    """Make the rule for what can be asked about, or who may ask: more is weaker."""
    return lambda each, *_: (
        (Effect.WEAKER, added) if each.added else (Effect.STRONGER, removed)
    )


def _delta(each: Difference, _: Policy, __: Policy) -> _Verdict:
    """Decide on a delta; without one the promise is pure, which is stronger."""
    if each.added:
        return Effect.WEAKER, why.NO_LONGER_PURE
    if each.removed:
        return Effect.STRONGER, why.PURE
    if cast("Decimal", each.new) > cast("Decimal", each.old):
        return Effect.WEAKER, why.LARGER_DELTA
    return Effect.STRONGER, why.SMALLER_DELTA


def _minimum(each: Difference, _: Policy, __: Policy) -> _Verdict:
    if cast("int", each.new) < cast("int", each.old):
        return Effect.WEAKER, why.SMALLER_GROUPS
    return Effect.STRONGER, why.LARGER_GROUPS


def _unit(each: Difference, _: Policy, __: Policy) -> _Verdict:
    if fold(str(each.old)) == fold(str(each.new)):
        return Effect.NEUTRAL, why.SAME_WORD
    return Effect.WEAKER, why.OTHER_UNIT


def _public(each: Difference, _: Policy, __: Policy) -> _Verdict:
    if each.new:
        return Effect.WEAKER, why.NOW_PUBLIC
    return Effect.STRONGER, why.NOW_PRIVATE


def _whose_row(each: Difference, old: Policy, new: Policy) -> _Verdict:
    """Decide on what says whose row it is; what follows from `public` is no news."""
    before, after = _table(old, each.at), _table(new, each.at)
    if before.public or after.public:
        return Effect.NEUTRAL, why.FOLLOWS_PUBLIC
    if before.row_privacy is not after.row_privacy:
        rows = why.ROWS_NOT_UNITS if after.row_privacy else why.UNITS_NOT_ROWS
        return Effect.WEAKER, rows
    if _same(before.privacy_unit_column, after.privacy_unit_column):
        if before.privacy_unit_column is not None or before.row_privacy:
            return Effect.NEUTRAL, why.REFERENCE_OF_A_JOIN
    elif before.knows_its_unit and after.knows_its_unit:
        return Effect.WEAKER, why.OTHER_UNIT_COLUMN
    return Effect.WEAKER, why.OTHER_WAY


def _same(old: str | None, new: str | None) -> bool:
    return fold(old or "") == fold(new or "")


def _table(policy: Policy, at: Location) -> Table:
    return policy.tables[find(policy.tables, str(at[1])) or str(at[1])]


def _columns(each: Difference, _: Policy, __: Policy) -> _Verdict:
    """Decide on the list of columns as a whole: without one, all may be used."""
    if each.removed:
        return Effect.WEAKER, why.ALL_COLUMNS
    return Effect.STRONGER, why.LISTED_COLUMNS


def _values(each: Difference, _: Policy, __: Policy) -> _Verdict:
    """Decide on a list of keys: a key in it is shown, whatever the data says."""
    if each.removed:
        return Effect.STRONGER, why.KEYS_NOT_PUBLIC
    old, new = (
        set(cast("tuple[object, ...]", each.old or ())),
        set(cast("tuple[object, ...]", each.new)),
    )
    if new - old:
        return Effect.WEAKER, why.KEYS_PUBLIC
    if old - new:
        return Effect.STRONGER, why.FEWER_KEYS
    return Effect.NEUTRAL, why.OTHER_ORDER


def _values_from(each: Difference, _: Policy, __: Policy) -> _Verdict:
    if each.removed:
        return Effect.STRONGER, why.KEYS_NOT_PUBLIC
    return Effect.WEAKER, why.KEYS_PUBLIC


def _epochs(each: Difference, _: Policy, __: Policy) -> _Verdict:
    epochs = cast("Epochs", each.new if each.added else each.old)
    of_epoch = epochs.privacy == "unit-epoch"
    if each.added:
        if of_epoch:
            return Effect.WEAKER, why.UNIT_EPOCH
        return Effect.STRONGER, why.BLOCKS_LIMITED
    if of_epoch:
        return Effect.STRONGER, why.NO_UNIT_EPOCH
    return Effect.WEAKER, why.BLOCKS_NOT_LIMITED


def _epoch_privacy(each: Difference, _: Policy, __: Policy) -> _Verdict:
    if each.new == "unit-epoch":
        return Effect.WEAKER, why.UNIT_EPOCH
    return Effect.STRONGER, why.NO_UNIT_EPOCH


def _cap(each: Difference, _: Policy, __: Policy) -> _Verdict:
    if each.added or each.removed:
        return Effect.NEUTRAL, why.FOLLOWS_PRIVACY
    if cast("int", each.new) > cast("int", each.old):
        return Effect.WEAKER, why.MORE_BLOCKS
    return Effect.STRONGER, why.FEWER_BLOCKS


def _sharing(each: Difference, _: Policy, __: Policy) -> _Verdict:
    if each.new == "open":
        return Effect.WEAKER, why.OPEN
    return Effect.STRONGER, why.ISOLATED


def _literals(each: Difference, _: Policy, __: Policy) -> _Verdict:
    if each.new == "keep":
        return Effect.WEAKER, why.LITERALS_KEPT
    return Effect.STRONGER, why.LITERALS_REDACTED


_EPSILON = _limit(why.LARGER_EPSILON, why.SMALLER_EPSILON, why.UNKNOWN, why.UNKNOWN)
_QUOTA = _limit(why.LARGER_QUOTA, why.SMALLER_QUOTA, why.UNKNOWN, why.UNKNOWN)
_ONE_QUERY = _limit(
    why.LARGER_QUERY, why.SMALLER_QUERY, why.QUERY_NOT_LIMITED, why.QUERY_LIMITED
)

_RULES: tuple[tuple[tuple[str, ...], _Rule], ...] = (
    (("name",), _neutral(why.NAME)),
    (("source", "duckdb"), _neutral(why.SOURCE)),
    (("source", "files"), _neutral(why.SOURCE)),
    (("source", "files", "*"), _neutral(why.SOURCE)),
    (("data_version",), _neutral(why.DATA_VERSION)),
    (("privacy_unit",), _unit),
    (("tables", "*"), _presence(why.MORE_TABLES, why.FEWER_TABLES)),
    (("tables", "*", "public"), _public),
    (("tables", "*", "row_privacy"), _whose_row),
    (("tables", "*", "privacy_unit_column"), _whose_row),
    (("tables", "*", "references", "*"), _whose_row),
    (("tables", "*", "key"), _neutral(why.HINT)),
    (("tables", "*", "max_rows_per_unit"), _neutral(why.HINT)),
    (("tables", "*", "max_rows_per_group"), _neutral(why.HINT)),
    (("tables", "*", "columns"), _columns),
    (("tables", "*", "columns", "*"), _presence(why.MORE_COLUMNS, why.FEWER_COLUMNS)),
    (("tables", "*", "columns", "*", "bounds"), _neutral(why.BOUNDS)),
    (("tables", "*", "columns", "*", "values"), _values),
    (("tables", "*", "columns", "*", "values_from"), _values_from),
    (("tables", "*", "columns", "*", "grid"), _neutral(why.GRID)),
    (("views", "*"), _neutral(why.VIEW)),
    (("budget", "epsilon"), _EPSILON),
    (("budget", "delta"), _delta),
    (("epochs",), _epochs),
    (("epochs", "column"), _always(Effect.WEAKER, why.OTHER_BLOCKS)),
    (("epochs", "every"), _always(Effect.WEAKER, why.OTHER_BLOCKS)),
    (("epochs", "privacy"), _epoch_privacy),
    (("epochs", "budget", "epsilon"), _EPSILON),
    (("epochs", "budget", "delta"), _delta),
    (("epochs", "participation_cap"), _cap),
    (("query", "epsilon"), _neutral(why.USUAL_EPSILON)),
    (("query", "max_epsilon"), _ONE_QUERY),
    (("query", "delta"), _delta),
    (("query", "max_groups_per_unit"), _neutral(why.BOUNDING)),
    (("query", "min_group_units"), _minimum),
    (("query", "bounding"), _neutral(why.BOUNDING)),
    (("query", "profile"), _neutral(why.BOUNDING)),
    (("query", "profile_epsilon"), _neutral(why.BOUNDING)),
    (("analysts", "*"), _presence(why.MORE_ANALYSTS, why.FEWER_ANALYSTS)),
    (("analysts", "*", "epsilon"), _QUOTA),
    (("analysts", "*", "max_epsilon_per_query"), _ONE_QUERY),
    (("sharing",), _sharing),
    (("alerts",), _neutral(why.ALERTS)),
    (("alerts", "at"), _neutral(why.ALERTS)),
    (("alerts", "webhook"), _neutral(why.ALERTS)),
    (("alerts", "log"), _neutral(why.ALERTS)),
    (("audit", "literals"), _literals),
    (("ledger",), _always(Effect.WEAKER, why.LEDGER)),
    (("limits", "memory"), _neutral(why.LIMITS)),
    (("limits", "threads"), _neutral(why.LIMITS)),
    (("limits", "seconds"), _neutral(why.LIMITS)),
)
"""For each part of a policy what a difference in it does."""
