"""On what terms all are compared: one (ε, δ), for one question or for a session."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

from dpquery.accounting.accountant import Promise, epsilon_of, rho_of


@dataclass(frozen=True)
class Terms:
    """
    A promise (ε, δ) that *questions* equal questions share.

    With one question it is all for the question. With more, each composes by its own
    rules: zCDP adds ρ, the Laplace mechanism adds ε.
    """

    epsilon: float
    delta: float
    questions: int = 1

    @cached_property
    def rho(self) -> float:
        """What one question may lose under zCDP: half of δ converts."""
        return rho_of(self.epsilon, self.delta / 2) / self.questions

    def epsilon_of(self, share: float) -> float:
        """Return a share of ρ as an ε, as dpquery is asked: rounded down."""
        if self.questions == share == 1:
            return self.epsilon
        half = Promise(self.epsilon, self.delta).delta_for_conversion
        found = epsilon_of(self.rho * share, half)
        return math.floor(found * 1e9) / 1e9  # no more digits than a policy may have

    @cached_property
    def epsilon_alone(self) -> float:
        """What one question may lose under pure DP."""
        return self.epsilon / self.questions

    @cached_property
    def delta_of_groups(self) -> float:
        """What one question may lose by withholding, where the other half converts."""
        return self.delta / 2 / self.questions * (1 - 1e-9)

    @cached_property
    def delta_alone(self) -> float:
        """What one question may lose by withholding, where nothing converts."""
        return self.delta / self.questions
