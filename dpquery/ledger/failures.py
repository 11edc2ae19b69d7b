"""What a driver's error means to a person; the driver's own words stay here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dpquery.errors import LedgerError

if TYPE_CHECKING:
    from sqlalchemy.exc import StatementError

_SQLITE = {
    **dict.fromkeys(("BUSY", "LOCKED"), "locked"),
    "FULL": "full",
    "READONLY": "read-only",
    "CANTOPEN": "unreachable",
    **dict.fromkeys(
        ("ERROR", "CORRUPT", "CONSTRAINT", "MISMATCH", "NOTADB"), "damaged"
    ),
}
_POSTGRES = {
    **dict.fromkeys(("55P03", "57014", "40001", "40P01"), "locked"),
    **dict.fromkeys(("53100", "53200", "53000"), "full"),
    **dict.fromkeys(("25006", "42501"), "read-only"),
    **dict.fromkeys(("08", "28", "3D", "57", "53300"), "unreachable"),
    **dict.fromkeys(("42", "22", "23", "XX"), "damaged"),
}
"""SQLSTATEs and their classes."""


def failure(error: StatementError) -> LedgerError:
    """Return what *error* means, without the driver's text."""
    match _kind(error):
        case "locked":
            return locked()
        case "full":
            return full()
        case "read-only":
            return read_only()
        case "unreachable":
            return cannot_open("it, or what is beside it, cannot be reached")
        case "damaged":
            return damaged("it does not hold what a ledger holds")
        case _:
            return unexpected()


def _kind(error: StatementError) -> str | None:
    """Return what kind of failure the driver reports."""
    name: str | None = getattr(error.orig, "sqlite_errorname", None)
    if name is not None:  # IOERR_WRITE is an IOERR
        return _SQLITE.get(name.removeprefix("SQLITE_").partition("_")[0])
    state: str | None = getattr(error.orig, "sqlstate", None)
    if state is not None:
        return _POSTGRES.get(state, _POSTGRES.get(state[:2]))
    # psycopg has no code for a server that is not there, or that goes away
    return "unreachable" if type(error.orig).__name__ == "OperationalError" else None


def locked() -> LedgerError:
    """Return the error for a ledger that somebody else holds for too long."""
    return LedgerError(
        "the ledger is locked by another process",
        code="DPQ552",
        hint="try again; if it stays locked, see who holds it open",
    )


def full() -> LedgerError:
    """Return the error for a ledger without room."""
    return LedgerError(
        "the ledger cannot grow: its disk or quota is full",
        code="DPQ553",
        hint="free some space, then ask again",
    )


def read_only() -> LedgerError:
    """Return the error for a ledger, or what is beside it, that may not be written."""
    return LedgerError(
        "the ledger is read-only, so nothing can be charged",
        code="DPQ554",
        hint="make the file and its directory writable for this user",
    )


def cannot_open(reason: str) -> LedgerError:
    """Return the error for a ledger that is not there to be opened."""
    return LedgerError(
        f"the ledger cannot be opened: {reason}",
        code="DPQ550",
        hint="check `ledger:` in the policy; its directory must exist and be writable",
    )


def damaged(reason: str) -> LedgerError:
    """Return the error for a ledger whose content cannot be trusted."""
    return LedgerError(
        f"the ledger is damaged: {reason}",
        code="DPQ551",
        hint="restore its newest backup; an empty ledger would forget what was spent",
    )


def unexpected() -> LedgerError:
    """Return the error for everything else; an input/output error of the disk, say."""
    return LedgerError(
        "the ledger cannot be read or written",
        code="DPQ559",
        hint="check the disk that holds it",
    )
