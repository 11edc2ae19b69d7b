"""
dpquery: differentially private SQL analytics.

Ordinary SQL in, noisy answers with error bars out, a privacy budget that holds.

The public names are imported when they are first used, so that ``import dpquery``
costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from dpquery.errors import (
        AccessDenied,
        BudgetExceeded,
        ConfigError,
        DPQueryError,
        EngineFailure,
        LedgerError,
        PolicyError,
        QueryRefused,
        RemoteError,
        SQLSyntaxError,
    )
    from dpquery.policy.model import Policy
    from dpquery.results import Budget, Interval, Price, Release
    from dpquery.service import Service, Session

__version__ = "0.1.0"

_HOMES = {
    **dict.fromkeys(
        (
            "AccessDenied",
            "BudgetExceeded",
            "ConfigError",
            "DPQueryError",
            "EngineFailure",
            "LedgerError",
            "PolicyError",
            "QueryRefused",
            "RemoteError",
            "SQLSyntaxError",
        ),
        "dpquery.errors",
    ),
    **dict.fromkeys(("Budget", "Interval", "Price", "Release"), "dpquery.results"),
    **dict.fromkeys(("Service", "Session"), "dpquery.service"),
    "Policy": "dpquery.policy.model",
}


def connect(
    target: str | Path, *, analyst: str | None = None, token: str | None = None
) -> Session:
    """
    Open a session of *analyst* on the policy file *target*.

    A server's URL with a *token* is not a target yet.

    Raises:
        ConfigError: *target* is a URL, or nobody is named as the analyst.
        PolicyError: the policy is wrong, or does not fit the data.
        AccessDenied: the policy does not list *analyst*.
        EngineFailure, LedgerError: data or ledger cannot be opened.
    """
    from dpquery.service.service import connect as open_session  # noqa: PLC0415 -- lazy

    return open_session(target, analyst, token)


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        msg = f"module 'dpquery' has no attribute {name!r}"
        raise AttributeError(msg)
    return getattr(import_module(home), name)


def __dir__() -> list[str]:
    return sorted(__all__)


__all__ = [
    "AccessDenied",
    "Budget",
    "BudgetExceeded",
    "ConfigError",
    "DPQueryError",
    "EngineFailure",
    "Interval",
    "LedgerError",
    "Policy",
    "PolicyError",
    "Price",
    "QueryRefused",
    "Release",
    "RemoteError",
    "SQLSyntaxError",
    "Service",
    "Session",
    "__version__",
    "connect",
]
