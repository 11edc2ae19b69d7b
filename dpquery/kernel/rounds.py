"""Asking by accuracy: rounds of one query, each with less noise, until a target holds.

A round is the same query with a larger loss, and what was measured before counts
(reuse.py). Gaussian measurements of one value, merged by inverse variance, have the
variance Δ²/(2 Σρ): rounds together cost what asking once would have (theory.md 4.6).
How the next round is asked, and whether there is one, is a function of what was
released: the filter allows losses to be chosen like that (theory.md 3.3, Whitehouse,
Ramdas, Rogers and Wu 2023). Every round is charged before it reads a row, as any query.

A round never asks for more than the target needs if noise made a value look small by
its whole interval; once an interval is narrow, what is released says what is needed.

The rounds follow from the question and from what was released, so that asking again
finds every round's stored answer, and so does asking after a crash.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING

from dpquery.accounting.loss import AMOUNT_UNITS, Definition, Loss
from dpquery.errors import BudgetExceeded
from dpquery.kernel.needs import Need, Target, need_of
from dpquery.kernel.notes import notes
from dpquery.kernel.outlook import over_nothing
from dpquery.kernel.pieces import Kind, pieces_of
from dpquery.kernel.targets import (
    Losses,
    cheapest,
    computed_columns,
    is_closed,
    losses_of,
    multiplied,
    repriced,
    shared,
    targeted,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from dpquery.kernel.prepare import Prepared
    from dpquery.kernel.release import Answer
    from dpquery.noise.intervals import Estimate
    from dpquery.plan.program import Output

    Ask = Callable[[Prepared], Answer]
    Epsilon = Callable[[Loss], float]

MOST_ROUNDS = 40
PILOT = 1e-8
"""ρ of a measurement in the first round: next to nothing, and enough to begin with."""
PURE_PILOT = 1e-3
"""The same as an ε, where every round is paid in full."""
OF_WITHHOLDING = 1 / 256
"""The part of the limit that a first round has which withholds small groups."""
MARGIN = 1.01
"""How much narrower than needed a top-up is meant to be."""
FULL_MARGIN = 1.1
"""The same where every round is paid in full, so that a further one costs most."""
LEAST_GROWTH = 1.04
"""Precision of a round over that of the round before, at least."""
FULL_GROWTH = 1.5
"""The same where every round is paid in full."""
WORTH = 1.01
"""Growth below which the rest of a limit is left alone."""


@dataclass(frozen=True, slots=True)
class Rules:
    """The target, and what all rounds together may spend."""

    target: Target
    limit: Loss
    epsilon: Epsilon
    """Reads a loss as an ε."""


@dataclass(slots=True)
class _Rounds:
    """The rounds of one query so far."""

    usual: Prepared
    """The query, with the shares that it would have without a target."""
    rules: Rules
    lossless: bool
    """Whether rounds together cost what the last one alone would."""
    count: int = 0
    """How many there were."""
    before: int = 0
    """What was asked for in earlier rounds, where rounds add up."""
    wanted: frozenset[tuple[object, ...]] | None = None
    """Which rows the target is for, where rows come and go."""
    others: int = 0
    """How many other rows the last answer has."""

    # --- what comes next ------------------------------------------------------------

    @property
    def left(self) -> int:
        """What the next round may ask for."""
        return self.rules.limit.amount - self.before

    def next(self, losses: Losses, answer: Answer) -> tuple[Losses | None, str]:
        """Return the losses of the next round, ``None`` for no more, and the state."""
        needs = self._needs(answer)
        every = [need for each in needs.values() for need in each]
        self.count += 1
        if not every and answer.published.rows:
            return None, "nothing here has an interval to go by: ask with epsilon"
        if every and all(need.reached for need in every):
            return None, self._reached(every)
        if not self.lossless:
            self.before += _sum(losses)
        factor, hopeless = {}, 0
        for name, each in needs.items():
            far = [need for need in each if not need.reached]
            within = [n for n in far if self._may_be_reached(losses, name, n)]
            hopeless += sum(n.known for n in far if n not in within)
            if within:
                factor[name] = max(self._growth(need) for need in within)
        said = self._stopped(every, hopeless)
        if every and not factor:
            return None, said
        if not every:  # nothing is shown yet: noise may hide it
            factor = {output.name: 4.0 for output in targeted(self.usual)}
        following = self._fitting(losses, multiplied(self.usual, losses, factor))
        return following, said

    def _may_be_reached(self, losses: Losses, name: str, need: Need) -> bool:
        """Return whether the limit allows a value to reach the target at all."""
        if math.isinf(need.least):
            return False
        asked = multiplied(self.usual, losses, {name: max(need.least, 1.0)})
        return _sum(asked) <= self.left

    def _growth(self, need: Need) -> float:
        """Return how many times narrower a value's interval shall be next."""
        margin = MARGIN if self.lossless else FULL_MARGIN
        growth = LEAST_GROWTH if self.lossless else FULL_GROWTH
        steady = self.lossless and not self.rules.target.relative
        least = 1.0 if steady else math.sqrt(growth)
        return max(least, need.next * margin)

    def _fitting(self, losses: Losses, following: Losses) -> Losses | None:
        """Return *following*, or as much of it as there is room for."""
        asked, start = _sum(following), _sum(losses) if self.lossless else 0
        if asked > self.left:
            if self.left < _sum(losses) * WORTH:
                return None
            part = max(0, self.left - start) / (asked - start)
            following = tuple(
                tuple(
                    math.floor(part * b + (1 - part) * a * self.lossless)
                    for a, b in zip(old, new, strict=True)
                )
                for old, new in zip(losses, following, strict=True)
            )
        return following

    # --- how it is --------------------------------------------------------------------

    def _needs(self, answer: Answer) -> dict[str, list[Need]]:
        """Return, for each noisy column, how far its values are from the target."""
        published = answer.published
        rows: Iterable[int] = range(len(published.rows))
        if not self.lossless:
            rows = self._wanted_rows(answer)
        found = {}
        shaped = self.usual.shaping.any  # then there are no such intervals at all
        computed = set() if shaped else self._computed
        outputs = {output.name: output for output in targeted(self.usual)}
        for name in dict.fromkeys((*published.estimates, *outputs)):
            place = published.columns.index(name)
            bars, null = published.estimates.get(name), self._null(outputs.get(name))
            cells = []
            for at in rows:
                cell, bar = published.rows[at][place], bars[at] if bars else None
                cells.append((cell, null if cell is None and bar is None else bar))
            found[name] = [
                need_of(bar, self.rules.target, cell, computed=name in computed)
                for cell, bar in cells
                if bar is not None or self._may_be_a_number(name, cell)
            ]
        return found

    def _null(self, output: Output | None) -> Estimate | None:
        """Return what is known of a NULL in a column: a mean over hardly any rows."""
        if output is None or output.cell is None:
            return None
        place = output.cell.levels[0], output.cell.column
        return over_nothing(*self.usual.column(*place))

    @property
    def _computed(self) -> set[str]:
        return {output.name for output in computed_columns(self.usual)}

    def _may_be_a_number(self, name: str, cell: object) -> bool:
        """Return whether a cell is a number, or NULL for noise and not by a CASE."""
        if cell is not None:
            number = isinstance(cell, int | float | Decimal)
            return number and not isinstance(cell, bool)
        post = self.usual.program.post
        smooth = post.replicated is None or post.replicated.smooth
        return smooth or name not in self._computed

    def _wanted_rows(self, answer: Answer) -> list[int]:
        """
        Return the rows that were there from the first round that showed any.

        Where small groups are withheld, more of them show with every round, and those
        that only just show are far from any target in per cent.
        """
        published = answer.published
        noisy = {*published.estimates, *(o.name for o in targeted(self.usual))}
        keys = [at for at, name in enumerate(published.columns) if name not in noisy]
        named = [tuple(row[at] for at in keys) for row in published.rows]
        if self.wanted is None and named:
            self.wanted = frozenset(named)
        wanted = self.wanted or frozenset()
        found = [at for at, name in enumerate(named) if name in wanted]
        found = found or list(range(len(named)))
        self.others = len(named) - len(found)
        return found

    def _reached(self, needs: list[Need]) -> str:
        said = f"within {self._worst(needs)} at {self._level()}, {self._asked_for()}"
        if self.others:
            said += f"; not so for {self.others} rows that showed in later rounds only"
        return said

    def _stopped(self, needs: list[Need], hopeless: int) -> str:
        epsilon = self.rules.epsilon(self.rules.limit)
        said = f"not within {self.rules.target}: stopped below ε {epsilon:.3g}"
        worst = self._worst(needs) if needs else None
        if worst is not None:
            said += f", where values are within {worst} at {self._level()}"
        if hopeless:
            many = "1 value is" if hopeless == 1 else f"{hopeless} values are"
            said += f"; {many} too small to be that exact below it"
        untold = sum(not need.known for need in needs)
        if untold:
            many = "1 value has" if untold == 1 else f"{untold} values have"
            said += f"; {many} no interval to go by: ask with epsilon for those"
        return said

    def _worst(self, needs: list[Need]) -> str | None:
        """Return the largest error; ``None`` where one is unknown, as of a NULL."""
        worst = max(need.error for need in needs)
        if not math.isfinite(worst):
            return None
        return f"{100 * worst:.3g} %" if self.rules.target.relative else f"{worst:.4g}"

    def _level(self) -> str:
        return f"{100 * self.rules.target.confidence:g} % confidence"

    def _asked_for(self) -> str:
        rounds = "1 round" if self.count == 1 else f"{self.count} rounds"
        return f"asked for {self.rules.target} in {rounds}"


def first_losses(usual: Prepared, rules: Rules) -> Losses:
    """Return what the first round spends: all that is needed, where that is known."""
    if is_closed(usual, rules.target):
        return cheapest(usual, rules.target)
    share = min(rules.limit.amount * OF_WITHHOLDING, _pilot(usual))
    if any(each.step.withholds for each in usual.steps):
        share = rules.limit.amount * OF_WITHHOLDING
    return shared(usual, share)


def _pilot(usual: Prepared) -> float:
    pure = usual.loss.definition is Definition.PURE
    parts = sum(len(each.handed_out) for each in usual.steps)
    return (PURE_PILOT if pure else PILOT) * AMOUNT_UNITS * parts


def by_accuracy(usual: Prepared, rules: Rules, ask: Ask) -> tuple[Prepared, Answer]:
    """
    Answer a query as exactly as *rules* say, for as little as that takes.

    Return the last round, and its answer with the price of all rounds.

    Raises:
        QueryRefused: DPQ142, there is no column whose error can be set.
        BudgetExceeded: DPQ207, the target needs more than the limit; or as
            :func:`dpquery.kernel.release.release`, in the first round.
        EngineFailure, LedgerError: as there.
    """
    prepared = repriced(usual, first_losses(usual, rules))
    require_room(prepared, rules)
    rounds = _Rounds(usual, rules, _adds_nothing(usual))
    answers = [ask(prepared)]
    following, said = rounds.next(losses_of(prepared), answers[0])
    while following is not None and len(answers) < MOST_ROUNDS:
        trial = repriced(usual, following)
        if trial.loss.amount > rounds.left:
            break
        try:
            answers.append(ask(trial))
        except BudgetExceeded as refusal:  # of what is left: nothing paid is lost
            said += f"; {refusal.message}"
            break
        prepared = trial
        following, said = rounds.next(losses_of(prepared), answers[-1])
    return prepared, _together(prepared, answers, said)


def require_room(prepared: Prepared, rules: Rules) -> None:
    """
    Refuse, for nothing, what needs more than it may cost.

    Raises:
        BudgetExceeded: DPQ207.
    """
    definition, needed = rules.limit.definition, prepared.loss.amount
    if needed <= rules.limit.amount:
        return
    power = 1.0 if definition is Definition.PURE else 0.5
    reached = rules.target.amount * (needed / rules.limit.amount) ** power
    most = rules.epsilon(rules.limit)
    needs = rules.epsilon(Loss(definition, needed))
    msg = (
        f"± {rules.target} needs ε {needs:.3g}, and this may cost at most ε {most:.3g}"
    )
    hint = f"for ε {most:.3g} there is ± {_up(reached)}: ask for that, or allow more"
    raise BudgetExceeded(msg, code="DPQ207", hint=hint)


def _up(number: float) -> str:
    """Return *number* in three digits, rounded up: less would not be reached."""
    return f"{number * 1.005:.3g}"


def _adds_nothing(usual: Prepared) -> bool:
    """Return whether rounds cost together what the last would cost alone."""
    pieces = [piece for each in usual.steps for piece in pieces_of(each)]
    return usual.loss.definition is Definition.ZCDP and all(
        piece.view is not None and piece.kind in {Kind.VECTOR, Kind.UNION}
        for piece in pieces
    )


def _together(prepared: Prepared, answers: list[Answer], said: str) -> Answer:
    """Return the last answer, for the price of all."""
    last = answers[-1]
    price = sum((each.price for each in answers[1:]), answers[0].price)
    published = replace(last.published, notes=(said, *notes(prepared)))
    replayed = all(each.replayed for each in answers)
    return replace(
        last,
        published=published,
        price=price,
        replayed=replayed,
        reused=last.reused if replayed else answers[0].reused,
    )


def _sum(losses: Losses) -> int:
    return sum(map(sum, losses))
