"""A ledger as it is at one moment, in a place of its own: to be looked at and dropped.

To open a ledger is to write beside it, if only which link of its audit is the newest.
"""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING
from urllib.parse import quote

from dpquery.errors import LedgerError
from dpquery.ledger.opening import head_beside, is_server
from dpquery.ledger.sqlite_file import is_there, locate
from dpquery.ledger.store import Ledger
from dpquery.service.access import dataset_promise

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dpquery.policy.load import LoadedPolicy


@contextmanager
def ledger_copy(loaded: LoadedPolicy) -> Iterator[Ledger | None]:
    """
    Yield a copy of the policy's ledger; ``None`` if there is no ledger yet.

    A ledger on a server is opened itself, and only read.

    Raises:
        LedgerError: it cannot be trusted or read.
    """
    location = loaded.policy.ledger
    definition = dataset_promise(loaded.policy).definition
    if is_server(location):
        with Ledger.open(location, definition=definition) as ledger:
            yield ledger
        return
    if "://" not in location:
        location = str(loaded.resolve(location))
    path = locate(location)
    if not is_there(path):
        yield None
        return
    with TemporaryDirectory() as folder:
        copy = Path(folder, "copy.ledger")
        _copy(path, head_beside(location), copy)
        with Ledger.open(str(copy), definition=definition) as ledger:
            yield ledger


def _copy(path: Path, head: Path, copy: Path) -> None:
    """Copy a ledger with all that is committed; the head first, as it lags behind."""
    try:
        with suppress(FileNotFoundError):
            shutil.copyfile(head, head_beside(str(copy)))
        uri = f"file:{quote(str(path))}?mode=ro"
        if not path.with_name(f"{path.name}-wal").exists():
            uri += "&immutable=1"  # nobody has it open: leave no files beside it
        with (
            closing(sqlite3.connect(uri, uri=True)) as there,
            closing(sqlite3.connect(copy)) as here,
        ):
            there.backup(here)
    except (OSError, sqlite3.Error):
        raise LedgerError(
            f"the ledger {path.name} cannot be read",
            code="DPQ550",
            hint="check its permissions, or leave out --from-now",
        ) from None
