"""The allow-list of scalar functions: spelling, types, and a form that never raises.

A function that is not in this table does not exist for analysts. Each entry is
deterministic, reads nothing but its arguments, and is lowered to a total form: on no
row whatsoever does it raise (theory.md 1.4, ``duckdb_functions.csv``). The rules:

* arithmetic is done in DOUBLE; whole-number results go back by TRY_CAST, so what
  leaves 64 bits is NULL, and what leaves 53 bits is rounded;
* division and remainder by zero are NULL, and so is a function outside its domain;
* dates are brought into the years 1 to 9999 first;
* texts that a function can lengthen are cut at 256 characters; functions whose cost
  could grow read the first 1024;
* patterns, units, lengths and digits are constants: no size is taken from a row.

The table is data, one file a family. Operators with rules of their own (CASE, IN, …)
are in the binder and in ``lower_expressions``.
"""

from __future__ import annotations

from dpquery.sql.functions.dates import DATES_AND_TIMES
from dpquery.sql.functions.forms import (
    MAX_TEXT,
    binary,
    call,
    cast,
    clamped_date,
    number,
    text,
    try_cast,
)
from dpquery.sql.functions.matching import MATCHING
from dpquery.sql.functions.names import ALIASES, OVERLOADS, PART_NAMES, PARTS
from dpquery.sql.functions.nested import NESTED
from dpquery.sql.functions.numbers import NUMBERS
from dpquery.sql.functions.signature import Function, Parameter
from dpquery.sql.functions.texts import TEXTS

FAMILIES: dict[str, tuple[Function, ...]] = {
    "Numbers": NUMBERS,
    "Text": TEXTS,
    "Patterns": MATCHING,
    "Dates and times": DATES_AND_TIMES,
    "Lists": NESTED,
}
"""The table by family, as the documentation shows it."""

FUNCTIONS: dict[str, Function] = {
    function.name: function for family in FAMILIES.values() for function in family
}
"""By the plan's name."""

__all__ = [
    "ALIASES",
    "FAMILIES",
    "FUNCTIONS",
    "MAX_TEXT",
    "OVERLOADS",
    "PARTS",
    "PART_NAMES",
    "Function",
    "Parameter",
    "binary",
    "call",
    "cast",
    "clamped_date",
    "number",
    "text",
    "try_cast",
]
