"""A first policy for an owner: commented, with blanks that nobody else can fill.

Made from names, types, keys and comments of a store; it holds no value of any row.
A blank is a key with nothing behind it but ``# FILL IN: …``: the file is refused,
blank by blank, until an owner has filled them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from dpquery.policy.catalog import SqlType, fold
from dpquery.policy.engine_types import sql_type
from dpquery.policy.guess import Guess, Ownership, guess, identifies, singular
from dpquery.policy.starter_page import (
    BLANK,
    Page,
    key_of_yaml,
    one_line,
    quoted,
    shown,
    speakable,
)
from dpquery.policy.stored import Store, StoredColumn, StoredTable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_NUMBERS = {SqlType.INTEGER, SqlType.DECIMAL, SqlType.DOUBLE}
_DATES = {SqlType.DATE, SqlType.TIMESTAMP}
_ENUM = re.compile(r"ENUM\((?:'(?:[^']|'')*'|[^')])*\)")
_TELLING = re.compile(
    r"(?:^|_)(?:(?:first|last|sur|full|user|given|family|maiden)_?name|e?_?mail|phone|"
    r"mobile|fax|address|street|ssn|iban|passport|password|token|notes?|comments?|"
    r"remarks?|description)(?:$|_)"
)
"""Names of columns that often tell who somebody is."""


@dataclass(frozen=True, slots=True)
class Starter:
    """A policy to be finished by its owner."""

    text: str
    unit: str | None
    """Who is guessed to be protected; ``None`` when that could not be guessed."""
    why: str
    """What the guess rests on."""
    left_out: tuple[str, ...]
    """Tables that the policy language cannot name."""

    @property
    def blanks(self) -> int:
        """How many blanks there are to fill."""
        return self.text.count(f": {BLANK}")


def starter(name: str, store: Store, source: Mapping[str, str] | str) -> Starter:
    """
    Write a policy for *store*.

    Args:
        name: the policy's name, a plain word.
        store: what the database says of itself.
        source: the path of a DuckDB file, or for each table the path of its file,
            relative to the policy.
    """
    usable = tuple(
        table
        for table in map(_speakable_part, store.tables)
        if _nameable(table.name) and table.columns
    )
    kept = {each.name for each in usable}
    left_out = tuple(shown(each.name) for each in store.tables if each.name not in kept)
    guessed = guess(usable)
    page = Page()
    _head(page, name, source)
    why = _why(guessed) if source else "an example"
    _unit(page, guessed, why)
    page.remark(
        0, "What is not listed here does not exist for analysts. `{}` is a column"
    )
    page.remark(
        0, "that may be asked about; as its values are not known, small groups are"
    )
    page.remark(0, "withheld. Where a list of them is public: {values: [a, b]}.")
    page.add(0, "tables:")
    for table in usable:
        _table(page, table, guessed, usable)
    for each in left_out:
        page.remark(1, f"left out, as a policy cannot name it: {each}")
    if store.views:
        names = ", ".join(shown(each) for each in store.views)
        page.remark(1, "views of the database, left out, as their rows are those of")
        page.remark(1, f"tables: {names}")
        page.remark(1, "What analysts should see of them is a SELECT under `views:`.")
    _tail(page, name)
    return Starter(page.text(), guessed.unit, why, left_out)


def template() -> Starter:
    """Write a policy for a database that is not there yet, in the sample's shape."""
    return starter("clinic", _SAMPLE, "")


_SAMPLE = Store(
    (
        StoredTable(
            "patients",
            (
                StoredColumn("patient_id", "BIGINT"),
                StoredColumn("sex", "VARCHAR"),
                StoredColumn("birth_year", "INTEGER"),
                StoredColumn("region", "VARCHAR"),
            ),
            "one row a patient: replace these tables by yours",
            ("patient_id",),
        ),
        StoredTable(
            "visits",
            (
                StoredColumn("visit_id", "BIGINT"),
                StoredColumn("patient_id", "BIGINT"),
                StoredColumn("ward", "VARCHAR"),
                StoredColumn("visited_on", "DATE"),
                StoredColumn("cost", "DECIMAL(8,2)"),
            ),
            "one row a visit",
            ("visit_id",),
        ),
        StoredTable(
            "regions", (StoredColumn("name", "VARCHAR"),), "an official list", ("name",)
        ),
    )
)


_HEAD = """\
# yaml-language-server: $schema=policy.schema.json

# A first policy, made by `dpquery init` from names, types and keys; it holds no
# value of any row. Lines marked FILL IN are for you: until they are filled, the
# file is refused, and `dpquery check` says which are left. A line that you do not
# need may go. Lines marked GUESS come from names: look at each of them.
version: 1"""


def _head(page: Page, name: str, source: Mapping[str, str] | str) -> None:
    page.lines += _HEAD.splitlines()
    page.add(0, f"name: {name}")
    page.add(0, "source:", "opened read-only; paths are relative to this file")
    if source == "":
        page.blank(1, "duckdb", "a DuckDB file", "clinic.duckdb")
        page.remark(1, "or  files: {patients: patients.parquet, regions: regions.csv}")
    elif isinstance(source, str):
        page.add(1, f"duckdb: {quoted(source)}")
    else:
        page.add(1, "files:")
        for table, path in source.items():
            page.add(2, f"{key_of_yaml(table)}: {quoted(path)}")
    page.gap()


def _why(guessed: Guess) -> str:
    """Say what the guess of the unit rests on."""
    if guessed.unit is None:
        return "no table and no column says by its name or its keys who is protected"
    if guessed.table is None:
        return f"several tables say by their names whose row it is: {guessed.unit}"
    table = shown(guessed.table)
    if guessed.followers == 0:
        return f"by the name of the table {table}"
    tables = "table refers" if guessed.followers == 1 else "tables refer"
    return f"{guessed.followers} {tables} to {table}, directly or through others"


def _unit(page: Page, guessed: Guess, why: str) -> None:
    page.remark(
        0, "Whom you protect, in a word: one of them with all their rows in all"
    )
    page.remark(0, "private tables. This is the promise; choose it before all else.")
    if guessed.unit is None:
        page.blank(0, "privacy_unit", "whom you protect, in a word", "patient")
    else:
        page.add(0, f"privacy_unit: {quoted(guessed.unit)}", f"GUESS: {why}")
    page.gap()


def _table(
    page: Page, table: StoredTable, guessed: Guess, all_: Sequence[StoredTable]
) -> None:
    """Write one table: whose rows, which key, which columns."""
    own = guessed.owners[table.name]
    page.add(1, f"{key_of_yaml(table.name)}:", one_line(table.comment))
    links = _owner(page, table, own, guessed)
    _references(page, own, links)
    key = _key_of(table, guessed)
    if key is not None:
        declared = key in table.keys
        said = "unique" if declared else "GUESS: unique, by its name; else remove it"
        page.add(2, f"key: {quoted(key)}", said)
    if own.known and key != own.unit_column:
        page.remark(2, "max_rows_per_unit: 20   a hint for less noise, never trusted")
    hidden = links | {key} if own.known else links
    lines = Page()
    for column in table.columns:
        if column.name not in hidden:
            _column(lines, column, _hint(table, column, all_, guessed), owned=own.known)
    if any(not line.lstrip().startswith("#") for line in lines.lines):
        page.add(2, "columns:")
    else:
        page.add(2, "columns: {}", "none that analysts may use")
    page.lines += lines.lines
    page.gap()


def _owner(page: Page, table: StoredTable, own: Ownership, guessed: Guess) -> set[str]:
    """Write how the owner of a row is found; return the columns that say so."""
    if own.unit_column is not None:
        column = quoted(own.unit_column)
        page.add(2, f"privacy_unit_column: {column}", "GUESS: says whose row it is")
        return {own.unit_column, *(each.column for each in own.links)}
    if own.through is not None:
        return {own.through.column}
    if own.choices:
        several = " or ".join(shown(each) for each in own.choices)
        what = f"the column that says whose row it is: {several}"
        page.blank(2, "privacy_unit_column", what, quoted(own.choices[0]))
        return set(own.choices)
    if _is_looked_up(table, guessed):
        page.remark(
            2, "Nothing says whose rows these are. If no row depends on a private"
        )
        page.remark(
            2, "one (an official list, say), the table is public; otherwise write"
        )
        page.remark(2, "privacy_unit_column, references or row_privacy here instead.")
        page.blank(2, "public", "whether it is", "true")
        return set()
    page.remark(
        2, "Nothing says whose rows these are. Instead of the next line there may"
    )
    page.remark(2, "be `references: {column: table.column}`, if another table says it,")
    page.remark(
        2, "`row_privacy: true`, if each row is somebody else, or `public: true`,"
    )
    page.remark(2, "if no row depends on anybody.")
    candidates = [each.name for each in table.columns if identifies(each)]
    example = quoted(candidates[0]) if candidates else "id"
    what = "the column that says whose row it is"
    page.blank(2, "privacy_unit_column", what, example)
    return set()


def _is_looked_up(table: StoredTable, guessed: Guess) -> bool:
    """Tell whether a table looks like a list that others take their words from."""
    return guessed.unit is not None and not any(
        fold(each.name).endswith("_id") and each.name != guessed.keys.get(table.name)
        for each in table.columns
    )


def _references(page: Page, own: Ownership, columns: set[str]) -> None:
    """Write the references that lead to an owner, and those that are also there."""
    lines = []
    if own.through is not None:
        lines.append((own.through, "the owner is found through it"))
    if own.unit_column is not None or own.choices:
        first = {link.column: link for link in reversed(own.links)}
        lines += [(link, "") for link in own.links if first[link.column] is link]
    if lines:
        page.add(2, "references:")
    for link, said in lines:
        marks = [said] if said else []
        marks += [] if link.declared else ["GUESS: by the names"]
        target = f"{link.table}.{link.key}"
        page.add(3, f"{key_of_yaml(link.column)}: {quoted(target)}", "; ".join(marks))
        columns.add(link.column)
    if own.through is not None:
        for link in own.links:
            target = f"{shown(link.table)}.{shown(link.key)}"
            page.remark(2, f"also {shown(link.column)}: {target}; one way to an owner")
            page.remark(2, "is enough, and two might disagree")


def _key_of(table: StoredTable, guessed: Guess) -> str | None:
    """Return the column that others refer to, or else the one that is unique."""
    wanted = [
        link.key
        for own in guessed.owners.values()
        for link in (own.through, *own.links)
        if link is not None and link.table == table.name
    ]
    return wanted[0] if wanted else guessed.keys.get(table.name)


def _column(page: Page, column: StoredColumn, hint: str | None, *, owned: bool) -> None:
    """Write one column, with what could be said of it."""
    kind, _ = sql_type(column.type)
    comment = one_line(column.comment)
    about = shown(_ENUM.sub("ENUM", column.type)) + (f": {comment}" if comment else "")
    key = key_of_yaml(column.name)
    if kind is SqlType.UNSUPPORTED:
        page.remark(3, f"{key}: {{}}   left out: queries cannot use {about}")
    elif _TELLING.search(fold(column.name)):
        page.remark(3, f"{key}: {{}}   left out, as it may tell who it is; {about}")
    elif owned and kind in _NUMBERS and hint is None and not _names_a_thing(column):
        page.add(3, f"{key}:", about)
        page.blank(4, "bounds", "what is possible, not what is there", "[0, 100]")
    elif owned and kind in _DATES:
        said = "for MIN, MAX and blocks: {bounds: [2020-01-01, 2026-12-31]}"
        page.add(3, f"{key}: {{}}", f"{about}; {said}")
    elif owned and kind is SqlType.BOOLEAN:
        null = ", null" if column.nullable else ""
        page.add(3, f"{key}: {{values: [false, true{null}]}}", about)
    else:
        page.add(3, f"{key}: {{}}", about + (f"; {hint}" if hint else ""))


def _names_a_thing(column: StoredColumn) -> bool:
    """Tell whether nobody would add up a column, by its name."""
    return fold(column.name).endswith(("id", "_key", "_no", "_nr", "_code", "zip"))


def _hint(
    table: StoredTable,
    column: StoredColumn,
    all_: Sequence[StoredTable],
    guessed: Guess,
) -> str | None:
    """Name the table that could list the keys of *column*, were it public."""
    declared = {each.table: each for each in table.references}
    for other in all_:
        key = guessed.keys.get(other.name) or other.columns[0].name
        word = singular(other.name)
        meant = fold(column.name) in {word, f"{word}_id", f"{word}_code"}
        if (link := declared.get(other.name)) is not None:
            key, meant = link.key, link.column == column.name
        stored = other.column(key)
        free = not guessed.owners[other.name].known
        if stored is not None and meant and free and stored.type == column.type:
            target = shown(f"{other.name}.{key}")
            return f"if that is public: {{values_from: {target}}}"
    return None


def _tail(page: Page, name: str) -> None:
    page.remark(0, "The promise: all answers ever given, to all analysts together.")
    page.add(0, "budget:")
    page.blank(1, "epsilon", "all that anybody may lose, 1 to 10 as a rule", "8")
    page.add(
        1, "delta: 1e-6", "the chance that it fails: far below 1 in the number of them"
    )
    page.gap()
    page.add(0, "query:")
    page.add(1, "epsilon: 0.2", "what a query spends when it does not say")
    page.add(1, "max_epsilon: 1.0", "what one query may spend at most")
    page.add(1, "delta: 1e-10", "for withholding small groups")
    page.remark(1, "min_group_units: 20 would never show a group of fewer, unless its")
    page.remark(1, "key is listed above.")
    page.remark(
        1, "profile: never would refuse sums of columns without bounds. The default,"
    )
    page.remark(
        1, "auto, measures once how large single units are, for profile_epsilon each"
    )
    page.remark(1, "histogram (0.2), and chooses limits from that.")
    page.gap()
    page.add(0, "analysts:", "who may ask, and their shares of the budget")
    page.add(1, "analyst:", "a name of your choice")
    page.blank(2, "epsilon", "this analyst's share", "3")
    page.gap()
    page.add(
        0, f"ledger: {name}.ledger", "an SQLite file beside this one: what was spent"
    )


def _speakable_part(table: StoredTable) -> StoredTable:
    """Leave out what a policy cannot name: nobody can refer to it."""
    columns = tuple(each for each in table.columns if speakable(each.name))
    names = {each.name for each in columns}
    return replace(
        table,
        columns=columns,
        keys=tuple(each for each in table.keys if each in names),
        references=tuple(
            each
            for each in table.references
            if each.column in names and _nameable(each.table) and speakable(each.key)
        ),
    )


def _nameable(table: str) -> bool:
    return speakable(table) and "." not in table
