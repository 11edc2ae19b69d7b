"""What a release is measured in: vectors, unions and choices, each known by its view.

Two pieces with one view are the same function of the data, however their queries were
written, so that what was measured of one may be used for the other (theory.md 5.1).
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from enum import StrEnum
from functools import reduce
from typing import TYPE_CHECKING

from dpquery.accounting.accountant import loss_of_events
from dpquery.accounting.events import Withholding
from dpquery.kernel.pricing import weights
from dpquery.ledger.chain import digest
from dpquery.ledger.records import View
from dpquery.plan.aggregates import (
    Present,
    Product,
    Rows,
    Square,
    Total,
    Units,
)
from dpquery.plan.analysis.canonical import canonical, target_digest
from dpquery.plan.analysis.complete import complete_sources
from dpquery.plan.program import BoundingMode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dpquery.accounting.loss import Loss
    from dpquery.kernel.pricing import PricedStep
    from dpquery.plan.aggregates import AdditiveMoment, GridValue, Moment, RankTarget
    from dpquery.plan.analysis.canonical import Canonical
    from dpquery.plan.program import ReleaseStep

VERSION = 1
"""Raised by one when another function of the data is measured for the same plan."""
Domain = tuple[tuple[tuple[str, ...], str], ...]


class Kind(StrEnum):
    """What a piece is."""

    VECTOR = "vector"
    """Sums over units, of all groups: one vector of integers."""
    UNION = "union"
    """The size of a union of values, or its sum, in all groups."""
    CHOICE = "choice"
    """A value chosen by rank in every group."""
    WHOLE = "whole"
    """All of a release whose groups are withheld where they are small: what is shown
    depends on everything at once."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What readings of a view are readings of; all names are digests."""

    kind: Kind
    keys: tuple[str, ...]
    """Sorted; each reading's key has its values in this order."""
    domain: Domain | None
    """The lists of groups whose cross product they are; ``None``: not public."""
    complete: tuple[bool, ...]
    """Whether each of these lists has a group for every row."""
    moments: tuple[tuple[str, int], ...]
    """What was summed, and in how many sub-steps of its grid's steps; sorted."""
    choices: tuple[str, ...]
    """What was chosen; sorted."""
    sensitivity: int
    """Δ of the vector, in sub-steps; 0 where there are several."""
    adds_up: bool
    """Whether a group is the sum of the groups that it is divided into."""

    @property
    def complete_axes(self) -> frozenset[tuple[tuple[str, ...], str]]:
        """The lists of groups that have a group for every row."""
        pairs = zip(self.domain or (), self.complete, strict=True)
        return frozenset(axis for axis, complete in pairs if complete)

    def text(self) -> str:
        """Return the shape as JSON that :meth:`read` reads back."""
        return json.dumps(asdict(self), separators=(",", ":"))

    @classmethod
    def read(cls, text: str) -> Shape:
        """
        Return the shape that :meth:`text` wrote.

        Raises:
            ValueError, KeyError, TypeError: it is none.
        """
        data = json.loads(text)
        domain = data["domain"]
        return cls(
            Kind(data["kind"]),
            tuple(data["keys"]),
            None if domain is None else tuple((tuple(k), d) for k, d in domain),
            tuple(data["complete"]),
            tuple((name, steps) for name, steps in data["moments"]),
            tuple(data["choices"]),
            data["sensitivity"],
            data["adds_up"],
        )


@dataclass(frozen=True, slots=True)
class Piece:
    """One measurement that a query asks for."""

    kind: Kind
    at: int
    """Which of the release's vectors, unions or choices; 0 for the whole."""
    shape: Shape
    view: View | None
    """``None`` for what depends on earlier answers, and is nobody else's."""
    asked: Loss
    """What its noise may cost; with δ, for the whole."""
    moments: tuple[Moment, ...]
    """In the shape's order."""
    choices: tuple[tuple[GridValue, RankTarget], ...]
    """In the shape's order."""
    order: tuple[int, ...]
    """Which of the release's keys stands at each place of the shape's."""


def pieces_of(priced: PricedStep) -> list[Piece]:
    """Return what *priced* is measured in."""
    form = canonical(priced.step)
    order = tuple(sorted(range(len(form.keys)), key=form.keys.__getitem__))
    if priced.step.withholds:
        return [_whole(priced, form, order)]
    return [
        *_vectors(priced, form, order),
        *_unions(priced, form, order),
        *_choices(priced, form, order),
    ]


def _vectors(
    priced: PricedStep, form: Canonical, order: tuple[int, ...]
) -> list[Piece]:
    step = priced.step
    found = []
    for at, vector in enumerate(priced.vectors):
        names = sorted(vector.moments, key=form.moments.__getitem__)
        bounded = [step.moments[each] for each in names]
        shape = Shape(
            Kind.VECTOR,
            *_groups(priced, form),
            tuple(
                (form.moments[i], b.steps) for i, b in zip(names, bounded, strict=True)
            ),
            (),
            vector.noise.sensitivity,
            all(_adds_up(step, each.moment) for each in bounded),
        )
        parts = [[form.moments[each], form.limits[each]] for each in names]
        view = _view(form, shape, parts)
        moments = tuple(each.moment for each in bounded)
        asked = vector.handed_out
        found.append(Piece(Kind.VECTOR, at, shape, view, asked, moments, (), order))
    return found


def _unions(priced: PricedStep, form: Canonical, order: tuple[int, ...]) -> list[Piece]:
    found = []
    for at, union in enumerate(priced.unions):
        name = form.distinct[at]
        shape = Shape(
            Kind.UNION,
            *_groups(priced, form),
            ((name, 1),),
            (),
            union.noise.sensitivity,
            adds_up=False,
        )
        view = _view(form, shape, [name])
        moments = (priced.step.distinct[at].moment,)
        found.append(
            Piece(Kind.UNION, at, shape, view, union.handed_out, moments, (), order)
        )
    return found


def _choices(
    priced: PricedStep, form: Canonical, order: tuple[int, ...]
) -> list[Piece]:
    found = []
    for at, choice in enumerate(priced.choices):
        named = {
            _choice_name(form, choice.ranking, target): target
            for target in choice.targets
        }
        names = tuple(sorted(named))
        shape = Shape(Kind.CHOICE, *_groups(priced, form), (), names, 0, adds_up=False)
        asked = reduce(lambda a, b: a + b, (loss for _, loss in choice.levels))
        value = priced.step.rankings[choice.ranking].value
        chosen = tuple((value, named[name]) for name in names)
        view = _view(form, shape, names)
        found.append(Piece(Kind.CHOICE, at, shape, view, asked, (), chosen, order))
    return found


def _whole(priced: PricedStep, form: Canonical, order: tuple[int, ...]) -> Piece:
    """Return the one piece of a release that withholds groups."""
    sums, chosen = _summed(priced, form), _chosen(priced, form)
    shape = Shape(
        Kind.WHOLE,
        tuple(sorted(form.keys)),
        None,
        (),
        tuple((name, sums[name][1]) for name in sorted(sums)),
        tuple(sorted(chosen)),
        0,
        adds_up=False,
    )
    vectors = [
        sorted([form.moments[at], form.limits[at]] for at in vector.moments)
        for vector in priced.vectors
    ]
    # how the loss is shared out is part of it: each measurement has its own noise
    shares = [repr(each) for each in weights(priced.step)]
    view = _view(form, shape, [vectors, shares, repr(priced.delta)])
    losses = list(priced.handed_out)
    losses.append(loss_of_events([Withholding(priced.delta)], losses[0].definition))
    return Piece(
        Kind.WHOLE,
        0,
        shape,
        view,
        reduce(lambda a, b: a + b, losses),
        tuple(sums[name][0] for name in sorted(sums)),
        tuple(chosen[name] for name in sorted(chosen)),
        order,
    )


def _summed(priced: PricedStep, form: Canonical) -> dict[str, tuple[Moment, int]]:
    """Return every moment of a release with its sub-steps, by its name."""
    step = priced.step
    found: dict[str, tuple[Moment, int]] = {
        form.moments[at]: (step.moments[at].moment, step.moments[at].steps)
        for vector in priced.vectors
        for at in vector.moments
    }
    unions = zip(form.distinct, step.distinct, strict=True)
    return found | {name: (each.moment, 1) for name, each in unions}


def _chosen(
    priced: PricedStep, form: Canonical
) -> dict[str, tuple[GridValue, RankTarget]]:
    """Return everything that is chosen by rank, by its name."""
    return {
        _choice_name(form, each.ranking, target): (
            priced.step.rankings[each.ranking].value,
            target,
        )
        for each in priced.choices
        for target in each.targets
    }


def _choice_name(form: Canonical, ranking: int, target: RankTarget) -> str:
    return digest(form.rankings[ranking] + target_digest(target))


def _groups(
    priced: PricedStep, form: Canonical
) -> tuple[tuple[str, ...], Domain | None, tuple[bool, ...]]:
    """Return keys, the lists of their groups, and which of these are complete."""
    keys = tuple(sorted(form.keys))
    if form.domain is None:
        return keys, None, ()
    known = zip(form.domain, complete_sources(priced.step), strict=True)
    ordered = sorted(known)
    return keys, tuple(axis for axis, _ in ordered), tuple(c for _, c in ordered)


def _view(form: Canonical, shape: Shape, parts: Sequence[object]) -> View | None:
    """Return what names a piece; ``None``: nothing does."""
    if form.volatile:
        return None
    facts = [form.source, form.bounding, shape.text(), parts, VERSION]
    return View(digest(json.dumps(facts)), _source(form), shape.text())


def _source(form: Canonical) -> str:
    """Return what names all pieces that could be added up from one another."""
    return digest(form.source)


def _adds_up(step: ReleaseStep, moment: AdditiveMoment) -> bool:
    """
    Return whether a group's sum is that of its parts, each unit scaled by one factor.

    Not for units, which may be in several parts; not for bounds of a unit's sum in a
    group; and not where groups of a unit are dropped.
    """
    if step.bounding.mode is not BoundingMode.NORM and not step.bounding.single_group:
        return False
    match moment:
        case Units():
            return False
        case Rows(most=most) | Present(most=most):
            return most is None
        case Total(group_bounds=bounds):
            return bounds is None
        case Square() | Product():
            return True
