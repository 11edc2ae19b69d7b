"""A first policy written for a store, beside the schema that editors use."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dpquery.errors import ConfigError
from dpquery.kernel.introspect import look_at
from dpquery.policy.catalog import fold
from dpquery.policy.json_schema import schema
from dpquery.policy.starter import starter, template

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dpquery.policy.starter import Starter

POLICY = "policy.yaml"
SCHEMA = "policy.schema.json"
_FILES = (".parquet", ".csv")
_DATABASES = (".duckdb", ".db", ".ddb")


@dataclass(frozen=True, slots=True)
class Started:
    """What was written, and where."""

    path: Path
    starter: Starter


def start(stores: Sequence[Path], folder: Path) -> Started:
    """
    Write a first policy into *folder*, for *stores* or else for the sample's tables.

    Nothing that is there is overwritten, and no row is read.

    Raises:
        ConfigError: DPQ430 a policy is there, DPQ431 nothing can be made of *stores*,
            DPQ432 the folder cannot be written.
        EngineFailure: the data cannot be opened.
    """
    path = folder / POLICY
    if path.exists() or path.is_symlink():
        raise _in_the_way(path)
    made = _made(stores, folder) if stores else template()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _write_new(folder / SCHEMA, json.dumps(schema(), indent=2, ensure_ascii=False))
        if not _write_new(path, made.text):
            raise _in_the_way(path)
    except OSError as failure:
        reason = (failure.strerror or type(failure).__name__).lower()
        raise ConfigError(
            f"cannot write to {folder}: {reason}",
            code="DPQ432",
            hint="name a folder that you may write to",
        ) from None
    return Started(path, made)


def _write_new(path: Path, text: str) -> bool:
    """Write a file that is not there yet; say whether it was not."""
    try:
        with path.open("x", encoding="utf-8", newline="\n") as file:
            file.write(text if text.endswith("\n") else text + "\n")
    except FileExistsError:
        return False
    return True


def _in_the_way(path: Path) -> ConfigError:
    hint = "name another folder, or move the file away: nothing is overwritten"
    return ConfigError(f"{path} is there already", code="DPQ430", hint=hint)


def _made(stores: Sequence[Path], folder: Path) -> Starter:
    """Make the policy for one database, or for the files of *stores*."""
    if len(stores) == 1 and not stores[0].is_dir() and _kind(stores[0]) not in _FILES:
        [database] = stores
        found = look_at(_existing(database))
        if not found.tables:
            raise _nothing(f"there is no table in {database}")
        return starter(_name(database), found, _from(database, folder))
    files = _tables(stores)
    name = _name(stores[0]) if len(stores) == 1 else _name(stores[0].absolute().parent)
    paths = {table: _from(path, folder) for table, path in files.items()}
    return starter(name, look_at(files), paths)


def _tables(stores: Sequence[Path]) -> dict[str, Path]:
    """Return a Parquet or CSV file for each table."""
    found: dict[str, Path] = {}
    for store in stores:
        for path in _listed(store):
            table = re.sub(r"[.\s]", "_", path.stem)
            first = next((each for each in found if fold(each) == fold(table)), None)
            if first is not None:
                both = f"{found[first]} and {path} would be the same table"
                raise _nothing(both, "name the files that are meant, each with --from")
            found[table] = path
    return found


def _listed(store: Path) -> list[Path]:
    """Return *store* itself, or the data files in it."""
    if not store.is_dir():
        if _kind(store) not in _FILES:
            raise _nothing(f"{store} is neither a .parquet nor a .csv file")
        return [_existing(store)]
    try:
        inside = sorted(store.iterdir())
    except OSError:
        raise _nothing(f"{store} cannot be read", "check its permissions") from None
    files = [each for each in inside if _kind(each) in _FILES and each.is_file()]
    if files:
        return files
    databases = [each for each in inside if _kind(each) in _DATABASES]
    hint = f"did you mean --from {databases[0]}?" if databases else None
    raise _nothing(f"there is no .parquet and no .csv file in {store}", hint)


def _existing(path: Path) -> Path:
    if not path.exists():
        raise _nothing(f"there is no file {path}", "check the spelling")
    return path


def _nothing(message: str, hint: str | None = None) -> ConfigError:
    usual = "give a DuckDB file, .parquet and .csv files, or a folder of these"
    return ConfigError(message, code="DPQ431", hint=hint or usual)


def _kind(path: Path) -> str:
    return path.suffix.lower()


def _from(path: Path, folder: Path) -> str:
    """Return *path* as it is written in a policy in *folder*."""
    try:
        return Path(os.path.relpath(path.absolute(), folder.absolute())).as_posix()
    except ValueError:  # on another drive
        return path.absolute().as_posix()


def _name(path: Path) -> str:
    """Return a plain word for the policy."""
    stem = path.absolute().stem if path.name in {"", ".", ".."} else path.stem
    word = re.sub(r"[^A-Za-z0-9_-]+", "_", stem, flags=re.ASCII).strip("_")[:64]
    return word or "policy"
