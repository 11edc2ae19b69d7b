"""What advice on a policy is: a severity, a place, what is so and what to do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dpquery.errors import Place
    from dpquery.policy.catalog import Catalog
    from dpquery.policy.document import Location
    from dpquery.policy.model import Policy


class Severity(StrEnum):
    """How much a finding matters."""

    ERROR = "error"
    """Nothing is answered until it is mended."""
    WARNING = "warning"
    """The policy promises less, or allows less, than its owner probably means."""
    INFO = "info"
    """Answers could be more accurate, or the file shorter."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One piece of advice."""

    code: str
    severity: Severity
    message: str
    place: Place
    hint: str | None = None


@dataclass(frozen=True, slots=True)
class Advice:
    """What a rule says, and of which part of the policy."""

    at: Location
    message: str
    hint: str


Rule = Callable[["Policy", "Catalog | None"], Iterator[Advice]]
"""Looks at a policy, and at the types of its columns where they are known."""
