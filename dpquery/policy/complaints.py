"""What pydantic finds wrong with a policy, in our words and at its place."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from dpquery.errors import PolicyError
from dpquery.policy.model import (
    Alerts,
    Analyst,
    Audit,
    Budget,
    Column,
    Epochs,
    Limits,
    Policy,
    QueryDefaults,
    Source,
    Table,
)
from dpquery.policy.ownership import suggest
from dpquery.policy.values import PROBLEM, Problem, describe

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic import BaseModel, ValidationError
    from pydantic_core import ErrorDetails

    from dpquery.policy.document import Document, Location

_EXAMPLES = {
    "version": "add `version: 1`",
    "name": "add a short name, such as `name: clinic`",
    "source": "add `source: {duckdb: FILE}`",
    "privacy_unit": "say whom you protect, such as `privacy_unit: patient`",
    "tables": "list the tables that analysts may use",
    "budget": "add a promise, such as `budget: {epsilon: 8, delta: 1e-6}`",
    "epsilon": "add a number, such as `epsilon: 1`",
    "column": "name the date of a row, such as `column: visits.visited_on`",
    "every": "add `every: day`, `week`, `month`, `quarter` or `year`",
    "privacy": "add `privacy: unit-epoch`, or `unit-lifetime` with a cap",
}

_PARTS: dict[str, type[BaseModel]] = {
    "source": Source,
    "budget": Budget,
    "query": QueryDefaults,
    "limits": Limits,
    "epochs": Epochs,
    "alerts": Alerts,
    "audit": Audit,
}

_CALENDAR = re.compile(
    r"refresh|renew|reset|replenish|period|every|window|interval|(dai|week|month|year)ly"
    r"|per_?(day|week|month|quarter|year)",
    re.ASCII | re.IGNORECASE,
)
"""What keys are called that would give a budget again after some time."""

_WHY_NO_REFRESH = """\
the rows of last month are still there: a budget spent on them again and again
is a rate of loss, not a limit. For data that grows, give each block of time a
budget of its own: `epochs: {column: TABLE.DATE, every: month,
privacy: unit-epoch, budget: {epsilon: 1, delta: 1e-6}}`"""


def complaints(document: Document, error: ValidationError) -> list[PolicyError]:
    """
    Return one error for each thing that is wrong, in the order of the file.

    Missing keys come last: one may be missing because it is misspelled, and the
    misspelling says more.
    """
    found = []
    for detail in error.errors(include_url=False):
        for location, problem in _problems(document, detail):
            place = document.place(location, key=problem.key)
            message = _sentence(location, problem.message)
            said = PolicyError(
                message, code=problem.code, hint=problem.hint, place=place
            )
            missing = detail["type"] == "missing"
            found.append((missing, place.line, place.column, said))
    found.sort(key=lambda each: each[:3])
    return [each[-1] for each in found]


def _problems(
    document: Document, detail: ErrorDetails
) -> Iterator[tuple[Location, Problem]]:
    """Translate one of pydantic's errors; several of ours may travel in one."""
    location: Location = detail["loc"]
    is_key = location[-1:] == ("[key]",) and location not in document.values
    location = location[:-1] if is_key else location
    match detail["type"]:
        case "default_factory_not_called":
            return  # follows from another error
        case "extra_forbidden":
            yield location, _unknown(location)
        case "missing":
            name = str(location[-1])
            message = f"`{name}` is missing"
            yield location[:-1], Problem(message, _EXAMPLES.get(name), "DPQ311")
        case "too_short":
            yield location, Problem("must not be empty", _EXAMPLES.get("tables"))
        case "literal_error":
            choices = detail["ctx"]["expected"].replace("'", "`")
            message = f"must be {choices}, not {describe(detail['input'])}"
            yield location, Problem(message)
        case _ if detail["type"] == PROBLEM:
            for problem in detail["ctx"]["problems"]:
                yield (*location, *problem.at), _at_key(problem) if is_key else problem
        case _:  # a list or a word where keys belong
            message = f"must be a group of keys, not {describe(detail['input'])}"
            hint = "write `key: value` lines under it, or {key: value}"
            yield location, Problem(message, hint, "DPQ312")


def _at_key(problem: Problem) -> Problem:
    return Problem(problem.message, problem.hint, problem.code, problem.at, key=True)


def _sentence(location: Location, message: str) -> str:
    """Put the name of the key before a message that is only a predicate."""
    if not message.startswith(("must ", "has ", "is ")):
        return message
    names = [step for step in location if isinstance(step, str)]
    return f"`{names[-1]}` {message}" if names else f"the policy {message}"


def _unknown(location: Location) -> Problem:
    """Refuse a key that nobody knows, with the one that was probably meant."""
    name = str(location[-1])
    if _is_refresh(location):
        message = f"`{name}`: no budget comes back by the calendar"
        return Problem(message, _WHY_NO_REFRESH, "DPQ315", key=True)
    known = list(_part(location[:-1]).model_fields)
    hint = suggest(name, known) or "known keys here: " + ", ".join(known)
    return Problem(f"unknown key `{name}`", hint, "DPQ310", key=True)


def _is_refresh(location: Location) -> bool:
    """Tell whether an unknown key at *location* would refresh a budget."""
    *above, name = location
    if above:
        spends = above[0] in {"budget", "analysts", "query"} or "budget" in above
    else:
        spends = "budget" in str(name) or "refresh" in str(name)
    return spends and _CALENDAR.search(str(name)) is not None


def _part(location: Location) -> type[BaseModel]:
    """Return the model of the part of a policy at *location*."""
    match location:
        case ("tables", _):
            return Table
        case ("tables", _, "columns", _):
            return Column
        case ("analysts", _):
            return Analyst
        case ("epochs", "budget"):
            return Budget
        case (str() as name,):
            return _PARTS[name]
        case _:
            return Policy
