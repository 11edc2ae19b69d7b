"""Which histograms of units would say how to bound a release, and what they say.

Pure: histograms that were released before are looked up; what is missing is listed, so
that its price is known before anything is measured. A histogram is of one form of the
rows. The query's own rows and groups say most, where somebody had them profiled. What
is measured when it is needed is the least particular: all rows of a unit, without the
conditions of WHERE and without groups. A unit's size over its groups is no larger, so
that one profile of a table bounds all queries on it. Every form is owned by its units
by the rules for every release.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import partial
from typing import TYPE_CHECKING

from dpquery.plan.aggregates import (
    DistinctTotal,
    DistinctValues,
    Present,
    Product,
    Rows,
    Square,
    Total,
    Units,
    expression_of,
)
from dpquery.plan.analysis.bounds import bounds, environment
from dpquery.plan.analysis.canonical import reads_answers
from dpquery.plan.analysis.clips import (
    best_kept,
    best_limit,
    highest,
    likeliest,
    mean,
)
from dpquery.plan.analysis.partitions import listed_groups
from dpquery.plan.analysis.sensitivity import LIMIT_CAP, row_reach
from dpquery.plan.analysis.sources import sources
from dpquery.plan.analysis.spans import Bounds
from dpquery.plan.expressions import NUMERIC, Call
from dpquery.plan.profile import Clip, Histogram, Quantity, Sought, step_of
from dpquery.plan.program import Bounding, BoundingMode
from dpquery.plan.rewrite.clamp_inputs import Inputs, grid_value
from dpquery.plan.rewrite.profile_forms import tied
from dpquery.plan.walk import columns

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dpquery.plan.aggregates import (
        AdditiveMoment,
        DistinctMoment,
        GridValue,
        Moment,
    )
    from dpquery.plan.analysis.bounds import Environment
    from dpquery.plan.expressions import Expression
    from dpquery.plan.profile import Lookup
    from dpquery.plan.program import KeyDomain, ReleaseStep
    from dpquery.plan.rewrite.bound_contributions import Choose, Keep
    from dpquery.plan.rewrite.profile_forms import Form

SMALLEST_VALUE, LARGEST_VALUE = -20, 60
"""Powers of two between which the largest values of columns are looked for."""
OCTAVES_BELOW, OCTAVES_ABOVE = 24, 20
"""Sizes of units are looked for from so many powers of two below what one row adds to
so many above."""
PER_OCTAVE = 2
"""Bins of norms between two powers of two. With one, limits are up to twice too high;
with more, heavy units hide in the noise of more bins."""
MOST_KEPT = 7
"""Unions are measured of up to so many values of each unit, as a power of two."""
LAST_OCTAVE = 51
"""No limit is above this power of two, so that DOUBLE holds what is clipped."""
USUAL_GROUPS = 16.0
"""Groups that a table is taken to list where nobody knows."""


@dataclass(slots=True)
class ProfileReader:
    """What is known of the units of one release; remembers what is not."""

    forms: tuple[Form, ...]
    """The most particular first; the last one is what is measured."""
    lookup: Lookup
    needed: bool
    """Whether limits that nobody has fixed are to be chosen."""
    rows_declared: bool
    """Whether the policy says how many rows units have."""
    noise: float
    """The multiplier of the reference query's noise: limits are best for it."""
    seeks: bool = False
    """Whether histograms of the very rows and groups are wanted, and no others do."""
    missing: list[Sought] = field(default_factory=list)
    found: dict[Sought, Histogram] = field(default_factory=dict)
    clips: dict[tuple[AdditiveMoment, ...], Clip] = field(default_factory=dict)
    """The limits that a histogram is known for, by their moments."""

    def bounded(self, argument: Expression, env: Environment) -> Bounds:
        """
        Return bounds of a value that nobody has bounded: from those of its columns.

        Until their histograms are known these are some bounds, for nothing but a price.
        """
        self.needed = True
        found = dict(env)
        for column in sorted(columns(argument), key=lambda c: (c.relation, c.name)):
            span = bounds(column, env)
            if not span.closed and column.type in NUMERIC:
                found[column.relation, column.name] = self._filled(column, span)
        span = bounds(argument, found)
        return span if span.closed else self._filled(argument, span)

    def _filled(self, argument: Expression, span: Bounds) -> Bounds:
        """
        Return bounds of *argument* where *span* has none, from its largest values.

        Without a sign: a sum's noise follows the larger end, whatever the other is.
        """
        ends = SMALLEST_VALUE, LARGEST_VALUE
        moments = (Present(argument),)
        last = self.forms[-1:]
        found = self._first(last, last, Quantity.LARGEST, moments, None, ends)
        if found is None:
            largest = Fraction(1)
        else:
            top = highest(found)
            largest = Fraction(2) ** (likeliest(found) if top is None else top)
        low = -largest if span.low is None else span.low
        high = max(low, largest) if span.high is None else span.high
        return Bounds(min(low, high), high)

    def choosers(
        self, how: Bounding, domain: KeyDomain | None, ratios: frozenset[Moment]
    ) -> tuple[Choose, Keep]:
        """
        Return what chooses the limits of a release with these groups, and values.

        Of *ratios* nothing but means and the like is made.
        """
        limit = partial(self.limit, how=how, domain=domain, ratios=ratios)
        return limit, partial(self.kept, domain=domain)

    def limit(
        self,
        moments: Sequence[AdditiveMoment],
        hint: float,
        how: Bounding,
        domain: KeyDomain | None,
        ratios: frozenset[Moment],
    ) -> float:
        """Return the limit of one vector, in steps; a policy's *hint* is the most."""
        vector = tuple(moments)
        if not all(map(_open, vector)):
            return hint
        sizes, times = self._sized(vector, how)
        forms = self.forms[:1] if self.seeks else self.forms
        wanted = forms[-1:] if self.needed else ()
        found = self._first(forms, wanted, Quantity.NORM, sizes, how, _ends(sizes))
        if self.seeks and domain is None:
            self._groups(how)
        if found is None:
            return hint
        top = highest(found)
        if top is None and not self.rows_declared:  # better than a guess of ours
            top = likeliest(found)
        best = best_limit(
            found,
            self.noise,
            self._spread(domain),
            top,
            of_mean=ratios.issuperset(vector),
            of_rows=isinstance(vector[0], Present),
        )
        if best is None:
            return hint
        most = hint if self.rows_declared else LIMIT_CAP
        limit = min(most, best * times)
        grouped = any(s.keys for s, each in self.found.items() if each is found)
        self.clips[vector] = Clip((), found, limit / times, grouped)
        return limit

    def kept(
        self,
        moment: DistinctMoment,
        delta: Callable[[int], int],
        domain: KeyDomain | None,
    ) -> int | None:
        """
        Return how many different values a unit is to keep; ``None``: nothing is known.

        A sum of different values lacks at most as many as their number does, each times
        the reach that its noise has too: one measurement is for counts, sums and means.
        """
        if isinstance(moment, DistinctTotal):
            moment = DistinctValues((moment.value,), with_null=False)
        if any(tied(expression_of(value)) for value in moment.values):
            return None
        whole = [form for form in self.forms if not form.keys]
        forms = whole[:1] if self.seeks else whole
        sought = [
            replace(
                _sought(form, Quantity.UNION, (), None, (0, MOST_KEPT)), distinct=moment
            )
            for form in forms
        ]
        found = self._first_of(sought, sought[-1:] if self.needed else [])
        if found is None:
            return None
        return best_kept(found, self.noise, delta, self._spread(domain))

    def told(self, step: ReleaseStep) -> ReleaseStep:
        """Return *step* with all that was looked up for it."""
        vectors: dict[int, list[int]] = {}
        for at, each in enumerate(step.moments):
            vectors.setdefault(each.vector, []).append(at)
        clips = []
        for places in vectors.values():
            clip = self.clips.get(tuple(step.moments[at].moment for at in places))
            if clip is not None:
                clips.append(replace(clip, moments=tuple(places)))
        return replace(
            step,
            missing=tuple(self.missing),
            clips=tuple(clips),
            profile=tuple(self.found.items()),
        )

    def _sized(
        self, vector: tuple[AdditiveMoment, ...], how: Bounding
    ) -> tuple[tuple[AdditiveMoment, ...], float]:
        """
        Return the moments whose histogram a vector is bounded by, and times how much.

        One histogram is for many queries: rows with a value are at most all rows,
        values are taken without the query's own bounds and grid, and a centred value,
        square or product is about as large for every row as for any. Where a profile
        of the query was made, sums about a centre have histograms of their own, for
        what is above it and below it cancels.
        """
        match vector:
            case (Present(),):
                return (Rows(),), 1
            case (Square(centred=True, reach=reach),):
                return (Rows(),), reach
            case (Product(left=left, right=right, reach=reach),) if (
                left.centre or right.centre
            ):
                return (Rows(),), reach
            case (Total(value=value),):
                if not value.centre:
                    usual = self._usual(value)
                    return (Total(usual),), float(usual.grid / value.grid)
                if self.seeks or self._of_query(vector, how):
                    return vector, 1
                return (Rows(),), value.reach
            case _:
                return vector, 1

    def _of_query(self, vector: tuple[AdditiveMoment, ...], how: Bounding) -> bool:
        """Return whether the query's own form of a vector was profiled."""
        sought = _sought(self.forms[0], Quantity.NORM, vector, how, _ends(vector))
        return self.lookup(sought) is not None

    def _usual(self, value: GridValue) -> GridValue:
        """
        Return a value as all queries of the last form of rows see it.

        Without signs: over its groups a unit's sums are no larger than without them.
        """
        relation = self.forms[-1].source.relation
        inputs = Inputs(environment(relation), sources(relation), self)
        found = grid_value(value.expression, inputs, None, centred=False)
        if found.low >= 0:
            return found
        size = Call("abs", (value.expression,), value.expression.type)
        return replace(found, expression=size, low=0, high=found.reach)

    def off_centre(self, value: GridValue, centre: int) -> bool:
        """
        Return whether an average of *value* is more exact about 0 than about *centre*.

        Its variance is as the square of the sum's noise, plus that of the count's times
        how far the mean is from the centre (theory.md 2.2). Where most values are far
        from the middle of their bounds, a unit's plain sum is much the smaller one.
        """
        usual = self._usual(value)
        rows, sums = self._known((Rows(),)), self._known((Total(usual),))
        if rows is None or sums is None:
            return False
        row_size, row_mean = _summary(rows, self.noise)
        sum_size, sum_mean = _summary(sums, self.noise)
        if not row_size or not row_mean:
            return False
        times = float(usual.grid / value.grid)
        average = times * sum_mean / row_mean
        about_zero = math.hypot(times * sum_size, average * row_size)
        reach = max(value.high - centre, centre - value.low)
        return about_zero < math.hypot(reach, average - centre) * row_size

    def _known(self, moments: tuple[AdditiveMoment, ...]) -> Histogram | None:
        """Return the histogram of the sizes of all rows of units, if there is one."""
        ends = _ends(moments)
        form = self.forms[-1]
        return self.lookup(_sought(form, Quantity.NORM, moments, None, ends))

    def _spread(self, domain: KeyDomain | None) -> float:
        """
        Return over how many groups noise counts.

        Of groups that are withheld where they are small only the large ones are seen,
        and there what is clipped weighs more than noise.
        """
        if not self.forms[0].keys or domain is None:
            return 1.0
        listed = listed_groups(domain)
        return USUAL_GROUPS if listed is None else float(max(1, listed))

    def _groups(self, how: Bounding) -> Histogram | None:
        """Return in how many groups units are, if that is known or sought."""
        ends = (0, OCTAVES_ABOVE)
        grouped = tuple(form for form in self.forms if form.keys)
        wanted = grouped[:1] if self.seeks else ()
        return self._first(grouped, wanted, Quantity.GROUPS, (Units(),), how, ends)

    def _first(
        self,
        forms: tuple[Form, ...],
        wanted: tuple[Form, ...],
        quantity: Quantity,
        moments: tuple[AdditiveMoment, ...],
        how: Bounding | None,
        ends: tuple[int, int],
    ) -> Histogram | None:
        """Return the first histogram that is known; else *wanted* ones are missing."""
        return self._first_of(
            [_sought(form, quantity, moments, how, ends) for form in forms],
            [_sought(form, quantity, moments, how, ends) for form in wanted],
        )

    def _first_of(
        self, known: Sequence[Sought], wanted: Sequence[Sought]
    ) -> Histogram | None:
        for sought in known:
            if reads_answers(step_of(sought)):  # it would be about nothing lasting
                continue
            found = self.lookup(sought)
            if found is not None:
                self.found[sought] = found
                return found
        for sought in wanted:
            if sought not in self.missing and not reads_answers(step_of(sought)):
                self.missing.append(sought)
        return None


def _summary(histogram: Histogram, noise: float) -> tuple[float, float]:
    """Return the best limit for one group, and the mean size; 0 where unknown."""
    limit = best_limit(histogram, noise)
    return limit or 0.0, mean(histogram) or 0.0


def _ends(moments: tuple[AdditiveMoment, ...]) -> tuple[int, int]:
    """Return the powers of two between which sizes of *moments* are."""
    reach = math.ceil(math.log2(max(map(row_reach, moments))))
    return max(0, reach - OCTAVES_BELOW), min(LAST_OCTAVE, reach + OCTAVES_ABOVE)


def _sought(
    form: Form,
    quantity: Quantity,
    moments: tuple[AdditiveMoment, ...],
    how: Bounding | None,
    ends: tuple[int, int],
) -> Sought:
    kind = _kind(how if form.keys else None)
    keys = form.keys if how is not None else ()
    per_octave = PER_OCTAVE if quantity is Quantity.NORM else 1
    first, last = (per_octave * end for end in ends)
    return Sought(
        quantity,
        form.source,
        keys,
        moments,
        kind,
        first,
        last,
        form.blocks,
        per_octave=per_octave,
    )


def _kind(how: Bounding | None) -> Bounding:
    """Return what decides how large a unit is, without the limits themselves."""
    if how is None:  # of one part a unit, all norms are its size
        return Bounding(BoundingMode.NORM, 2, 1, None, single_group=False)
    return replace(how, groups=1, group_cap=None)


def _open(moment: AdditiveMoment) -> bool:
    """Return whether the query itself leaves open what a unit may add."""
    match moment:
        case Units():
            return False
        case Rows(most=most) | Present(most=most):
            return most is None
        case Total(group_bounds=bounds):
            return bounds is None
        case _:
            return True
