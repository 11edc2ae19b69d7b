"""Asking by accuracy: what an analyst may say of it, and on what terms."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from dpquery.errors import BudgetExceeded, ConfigError
from dpquery.kernel.needs import Target
from dpquery.results import check_confidence
from dpquery.service.access import epsilon_to_spend

if TYPE_CHECKING:
    from dpquery.accounting.accountant import Promise
    from dpquery.accounting.loss import Loss
    from dpquery.service.access import Grant
    from dpquery.service.question import Question

USUAL_CONFIDENCE = 0.95

_NUMBER = re.compile(
    r"([0-9]{1,15}(\.[0-9]{1,12})?|\.[0-9]{1,12})([eE][+-]?[0-9]{1,2})?"
)


def read_target(question: Question, as_of: str | None = None) -> Target | None:
    """
    Return how exact a question's answer is to be; ``None``: it does not say.

    Raises:
        ConfigError: DPQ417, it is no accuracy; DPQ418, it is asked for beside an
            epsilon, or there is only half of it; as :func:`check_confidence`.
    """
    confidence = question.confidence
    if confidence is not None:
        check_confidence(confidence)
    if question.within is None:
        if confidence is not None or question.max_epsilon is not None:
            msg = "confidence and max_epsilon belong to within, which is not given"
            hint = 'for example within="5%", or leave them out'
            raise ConfigError(msg, code="DPQ418", hint=hint)
        return None
    if question.epsilon is not None:
        msg = "within and epsilon exclude one another"
        hint = "within finds the epsilon that it needs; max_epsilon limits it"
        raise ConfigError(msg, code="DPQ418", hint=hint)
    if as_of is not None:
        msg = "as_of shows one earlier answer, and within asks in rounds"
        hint = "leave one of them out"
        raise ConfigError(msg, code="DPQ418", hint=hint)
    amount, relative = amount_of(question.within)
    return Target(amount, relative, confidence or USUAL_CONFIDENCE)


def amount_of(within: float | str) -> tuple[float, bool]:
    """
    Return an amount, and whether it is a part of the value.

    >>> amount_of(25), amount_of("5%"), amount_of(".5")
    ((25.0, False), (0.05, True), (0.5, False))

    Raises:
        ConfigError: DPQ417, it is neither.
    """
    if isinstance(within, str):
        text = within.strip()
        relative = text.endswith("%")
        digits = text.removesuffix("%").strip()
        amount = float(digits) if _NUMBER.fullmatch(digits) else math.nan
    else:
        number = isinstance(within, int | float) and not isinstance(within, bool)
        relative, amount = False, float(within) if number else math.nan
    if relative:
        amount /= 100
    if not 0 < amount < (1 if relative else math.inf):
        msg = f"within is an amount or a percentage, not {str(within)[:40]!r}"
        hint = "within=25 is ± 25 on every noisy value, within='5%' is ± 5 % of it"
        raise ConfigError(msg, code="DPQ417", hint=hint)
    return amount, relative


def limit_of(granted: Grant, question: Question) -> float:
    """
    Return the ε that an answer by accuracy may cost at most.

    Raises:
        ConfigError, BudgetExceeded: as :func:`epsilon_to_spend`, of max_epsilon.
    """
    asked = question.max_epsilon
    return granted.max_epsilon if asked is None else epsilon_to_spend(granted, asked)


def loss_left(dataset: Promise, limit: float, question: Question, paid: Loss) -> Loss:
    """
    Return what rounds may spend below an ε of *limit*, beside *paid* profiles.

    The policy's limit is about one query, and a profile is for all later ones; what an
    analyst names holds for everything that the call costs.

    Raises:
        BudgetExceeded: DPQ207, the profile alone costs more than was named.
    """
    whole = dataset.loss_of(limit)
    if question.max_epsilon is None:
        return whole
    left = whole.minus(paid)
    if left.amount == 0:
        cost = dataset.epsilon_of(paid)
        msg = f"the profile that this needs costs ε {cost:.3g}, above ε {limit:g}"
        hint = "allow more, or ask the owner to measure it: dpquery profile"
        raise BudgetExceeded(msg, code="DPQ207", hint=hint)
    return left
