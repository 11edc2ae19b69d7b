"""
May this release still happen under this budget?

Theorem (Whitehouse, Ramdas, Rogers, Wu 2023, arXiv 2203.05481, the approximate-zCDP
filter; Feldman, Zrnic 2021 for zCDP; for pure DP the sum is Rogers et al. 2016). The
queries, their losses and their number may all depend on earlier answers. If a release
happens only when the sums of rho and of delta up to and with it stay within the limit,
then everything together is delta-approximate rho-zCDP at the limit. Nothing is lost
against a plan that was fixed in advance.

The decision must not depend on private data: it reads the ledger and the price only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dpquery.accounting.loss import Loss


def admits(limit: Loss, spent: Loss, asked: Loss) -> bool:
    """
    Return whether *asked* may be spent after *spent* under *limit*.

    Raises:
        ValueError: For losses under different definitions.
    """
    return (spent + asked).within(limit)
