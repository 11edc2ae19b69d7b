"""When profiles are measured, for whom, and at what price."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from dpquery.accounting.loss import Definition, Loss
from dpquery.errors import ConfigError
from dpquery.kernel.profiles import Profiles, measure, step_size, told
from dpquery.plan.analysis.clips import highest
from dpquery.plan.expressions import NUMERIC
from dpquery.plan.profile import Quantity
from dpquery.policy.ownership import find
from dpquery.results import SizeHistogram

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dpquery.accounting.accountant import Promise
    from dpquery.kernel.prepare import Prepared
    from dpquery.kernel.release import Asked, Backends
    from dpquery.plan.profile import Histogram, Sought
    from dpquery.plan.rewrite import BoundingRules
    from dpquery.policy.catalog import Catalog, CatalogTable
    from dpquery.policy.model import Policy


COARSE = 16.0
"""Times as much ε as the usual query for which limits are still those of the usual one:
measurements are merged and topped up only where their limits are equal."""


@dataclass(frozen=True, slots=True)
class Profiling:
    """How one policy has limits chosen that nobody has fixed."""

    wanted: bool
    dataset: Promise
    usual: float
    """ε of the usual query."""
    epsilon: float
    """ε of one histogram beside the usual query."""

    @classmethod
    def of(cls, policy: Policy, dataset: Promise) -> Profiling:
        """Return what *policy* says of it."""
        query = policy.query
        usual = float(query.epsilon)
        each = usual if query.profile_epsilon is None else float(query.profile_epsilon)
        return cls(query.profile == "auto", dataset, usual, each)

    def _times(self, epsilon: float) -> float:
        """Return how much more exact than usual limits are to be: a power of COARSE."""
        more = math.log(max(1.0, epsilon / self.usual), COARSE)
        return COARSE ** math.floor(more + 1e-9)

    def each(self, epsilon: float) -> Loss:
        """Return what one histogram costs for a query of *epsilon*."""
        return self.dataset.loss_of(self.epsilon * self._times(epsilon))

    def rules(
        self,
        rules: BoundingRules,
        asked: Asked,
        backends: Backends,
        epsilon: float,
        *,
        seeks: bool = False,
    ) -> BoundingRules:
        """
        Return *rules* that look histograms up; with *seeks* whatever is fixed.

        Limits are best for the noise of the usual query, or of one of many times its ε.
        """
        if not (self.wanted or seeks):
            return rules
        lookup = Profiles(backends.ledger, asked, self.each(epsilon)).lookup
        reference = self.dataset.loss_of(self.usual * self._times(epsilon))
        noise = _multiplier(reference)
        return replace(rules, profile=lookup, noise=noise, seeks=seeks)

    def price(self, prepared: Prepared) -> Loss:
        """Return what the histograms cost that *prepared* is waiting for."""
        each, zero = prepared.histogram, Loss.zero(self.dataset.definition)
        return sum((each for _ in prepared.program.missing if each), zero)

    def measure(
        self,
        prepared: Prepared,
        asked: Asked,
        backends: Backends,
        *,
        of_analyst: bool = True,
    ) -> None:
        """
        Measure the next histograms that *prepared* is waiting for.

        Largest values come first: sizes are of what is clamped to them.

        Raises:
            BudgetExceeded: nothing was charged.
            EngineFailure: the charge stands.
        """
        missing = prepared.program.missing
        values = [one for one in missing if one.quantity is Quantity.LARGEST]
        each = prepared.histogram
        if each is None:
            raise ValueError("nothing is to be measured")
        measure(values or missing, each, asked, backends, of_analyst=of_analyst)

    def notes(self, prepared: Prepared) -> tuple[str, ...]:
        """Say what has to be measured first, and what it costs."""
        missing = prepared.program.missing
        if not self.wanted and (missing or histograms_of(prepared)):
            return ("queries do not use it: the policy says `profile: never`",)
        if not missing:
            return ()
        cost = self.dataset.epsilon_of(self.price(prepared))
        what = "; ".join(dict.fromkeys(_texts(missing)))
        said = f"measured once for ε {cost:.3g}, which is in the price: {what}"
        return (f"limits are chosen from a profile, {said}",)


def histograms_of(prepared: Prepared) -> tuple[SizeHistogram, ...]:
    """Return the histograms that a query's limits are chosen from, each once."""
    found = dict(pair for step in prepared.steps for pair in step.step.profile)
    made: list[SizeHistogram] = []
    for sought, each in found.items():
        if sought.quantity is Quantity.UNION:
            made += _unions(sought, each)
            continue
        top, step = highest(each), step_size(sought)
        made.append(
            SizeHistogram(
                told(sought),
                tuple(step * each.end(bin_) for bin_ in sought.bins),
                each.counts,
                each.deviation,
                None if top is None else step * each.end(top),
            )
        )
    return tuple(made)


def _unions(sought: Sought, found: Histogram) -> Iterator[SizeHistogram]:
    """Yield the sizes of unions, each by itself, for each has noise of its own."""
    for power, size in zip(sought.bins, found.counts, strict=True):
        kept = math.pow(2, power)
        noise = kept * found.deviation
        yield SizeHistogram(told(sought, power), (kept,), (size,), noise, kept)


def question_of(of: str, catalog: Catalog) -> str:
    """
    Return the SQL that a profile *of* a table, or of a query, is for.

    Of a table: its rows, and the sums of its numbers that are no keys.

    Raises:
        ConfigError: DPQ446, it is neither.
    """
    if any(letter.isspace() for letter in of.strip()):
        return of
    name = find(catalog.tables, of)
    if name is None:
        names = ", ".join(sorted(catalog.tables))
        raise ConfigError(
            f"there is no table {of}",
            code="DPQ446",
            hint=f"profile one of {names}, or a query: dpquery profile 'SELECT …'",
        )
    table = catalog.tables[name]
    if table.public:
        raise ConfigError(
            f"{name} is public: it has no units",
            code="DPQ446",
            hint="profile a private table, or a query of private tables",
        )
    sums = [f"SUM({_quoted(each)})" for each in _measures(table)]
    return f"SELECT {', '.join(['COUNT(*)', *sums])} FROM {_quoted(name)}"  # noqa: S608


def _measures(table: CatalogTable) -> list[str]:
    """Return the columns that are likely added up: numbers that name nothing."""
    named = {hop.column for hop in table.references} | {table.key}
    if table.owner is not None and not table.owner.path:
        named.add(table.owner.column)
    return [
        column.name
        for column in table.columns.values()
        if column.type in NUMERIC
        and column.name not in named
        and column.values is None
        and column.values_from is None
    ]


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _texts(missing: tuple[Sought, ...]) -> Iterator[str]:
    for one in missing:
        yield told(one)


def _multiplier(loss: Loss) -> float:
    """Return the noise of a sensitivity of 1: 1/√(2ρ), or 1/ε."""
    if loss.definition is Definition.PURE:
        return 1 / loss.value
    return 1 / math.sqrt(2 * loss.value)
