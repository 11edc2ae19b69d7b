"""A policy's fingerprint: equal for the same promises, however the file writes them."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dpquery.policy.model import Budget, Policy


def promises_of(policy: Policy) -> dict[str, object]:
    """Return what the audit keeps of *policy*: its digest and its budgets."""
    return {
        "digest": digest_of(policy),
        "name": policy.name,
        "budget": _amounts(policy.budget),
        "epochs": None if policy.epochs is None else _amounts(policy.epochs.budget),
        "analysts": {name: str(each.epsilon) for name, each in policy.analysts.items()},
    }


def digest_of(policy: Policy) -> str:
    """
    Return the SHA-256 of *policy*'s checked values in one form, in hexadecimal.

    Comments, the order of keys, aliases, 8 or 8.0: none of them matters; a default
    that is written down is the same as one that is not.
    """
    text = json.dumps(_plain(policy.model_dump()), sort_keys=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _amounts(budget: Budget) -> dict[str, str | None]:
    delta = None if budget.delta is None else str(budget.delta)
    return {"epsilon": str(budget.epsilon), "delta": delta}


def _plain(value: object) -> Any:  # noqa: ANN401 -- what JSON has
    """Return *value* as JSON; numbers as exact text, apart from texts."""
    match value:
        case None | bool() | str():
            return value
        case int() | Decimal():
            return {"number": format(Decimal(value).normalize(), "f")}
        case float():
            return {"number": format(Decimal(repr(value)).normalize(), "f")}
        case dt.datetime() | dt.date() | dt.time():
            return {"time": value.isoformat()}
        case Mapping():
            return {str(key): _plain(each) for key, each in value.items()}
        case list() | tuple():
            return [_plain(each) for each in value]
        case set() | frozenset():
            return sorted((_plain(each) for each in value), key=json.dumps)
        case _:
            return {type(value).__name__: str(value)}
