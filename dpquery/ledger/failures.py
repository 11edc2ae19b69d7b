"""What a driver's error means to a person; the driver's own words stay here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dpquery.errors import LedgerError

if TYPE_CHECKING:
    from sqlalchemy.exc import StatementError


def failure(error: StatementError) -> LedgerError:
    """Return what *error* means, without the driver's text."""
    name: str = getattr(error.orig, "sqlite_errorname", "")
    match name.removeprefix("SQLITE_").partition("_")[0]:  # IOERR_WRITE is an IOERR
        case "BUSY" | "LOCKED":
            return LedgerError(
                "the ledger is locked by another process",
                code="DPQ552",
                hint="try again; if it stays locked, see who holds the file open",
            )
        case "FULL":
            return LedgerError(
                "the ledger cannot grow: its disk or quota is full",
                code="DPQ553",
                hint="free some space, then ask again",
            )
        case "READONLY":
            return LedgerError(
                "the ledger is read-only, so nothing can be charged",
                code="DPQ554",
                hint="make the file and its directory writable for this user",
            )
        case "CANTOPEN":
            return cannot_open("it, or the files beside it, cannot be opened")
        case "ERROR" | "CORRUPT" | "CONSTRAINT" | "MISMATCH" | "NOTADB":
            return damaged("it does not hold what a ledger holds")
        case _:
            return unexpected()


def cannot_open(reason: str) -> LedgerError:
    """Return the error for a ledger that is not there to be opened."""
    return LedgerError(
        f"the ledger cannot be opened: {reason}",
        code="DPQ550",
        hint="check `ledger:` in the policy; its directory must exist and be writable",
    )


def damaged(reason: str) -> LedgerError:
    """Return the error for a file whose content cannot be trusted."""
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
