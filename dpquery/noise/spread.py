"""How far a sum of independent noises strays: the half widths of intervals."""

from __future__ import annotations

import math
from functools import lru_cache
from statistics import NormalDist
from typing import TypeAlias

from dpquery.noise.calibration import Additive, Law
from dpquery.noise.tails import reach

_CELLS = 2000
"""Cells per union bound when Laplace noises are summed: each adds one to the width."""

Noises: TypeAlias = tuple[tuple[float, Additive], ...]
"""Independent noises with the sizes of their coefficients."""


@lru_cache(maxsize=1024)
def spread(noises: Noises, miss: float) -> float:
    """
    Return how far the sum of *noises* strays, except with probability *miss*.

    One noise: the exact quantile of its discrete law. More: by law below, and never
    more than the union bound, in which each has its share of *miss*.
    """
    share = miss / max(1, len(noises))
    union = math.fsum(
        size * (reach(noise.law, noise.scale, share / 2) - 1) for size, noise in noises
    )
    laws = {noise.law for _, noise in noises}
    if len(noises) <= 1 or len(laws) > 1 or union == 0:
        return union
    match laws.pop():
        case Law.GAUSSIAN:
            return min(union, _gaussian_spread(noises, miss))
        case Law.LAPLACE:
            return min(union, _laplace_spread(noises, miss, union))


def _gaussian_spread(noises: Noises, miss: float) -> float:
    """
    Return the normal quantile of the sum's standard deviation (theory.md 4.1).

    Half the widest step of the lattice is added: on a lattice of integers, a
    quantile of h - 1/2 is reached by h (Hermite-Hadamard, as in ``tails``).
    """
    deviation = math.hypot(*(size * noise.scale for size, noise in noises))
    widest = max(size for size, _ in noises)
    return -NormalDist().inv_cdf(miss / 2) * deviation + widest / 2


def _laplace_spread(noises: Noises, miss: float, union: float) -> float:
    """
    Return a quantile of a sum of Laplace noises, by summing it cell by cell.

    On a common lattice (equal coefficients, few cells) the law is exact. Otherwise
    every noise is replaced by one on a grid of *step*: both are differences of
    floors of the same two exponentials, so they are less than one coefficient plus
    one step apart, which is added. Mass that leaves the array counts as missed.
    """
    sizes = {size for size, _ in noises}
    if len(sizes) == 1 and union <= _CELLS * max(sizes):
        step, apart = max(sizes), 0.0
    else:
        step = union / _CELLS
        apart = math.fsum(size + step for size, _ in noises)
    reached = 2 * math.ceil(union / step)
    mass = [0.0] * reached + [1.0] + [0.0] * reached
    for size, noise in noises:
        mass = _add_laplace(mass, size * noise.scale / step)
    covered, cells = mass[reached], 0
    while covered < 1 - miss + 1e-12 and cells < reached:  # 1e-12: rounding
        cells += 1
        covered += mass[reached - cells] + mass[reached + cells]
    return cells * step + apart


def _add_laplace(mass: list[float], scale: float) -> list[float]:
    """
    Convolve *mass* with the discrete Laplace law, losing what falls off the ends.

    A discrete Laplace variable is the difference of two geometric ones, and adding a
    geometric variable is a recursion of one step: one sweep up, one sweep down.
    """
    ratio = math.exp(-1 / scale)
    for _ in range(2):
        carried = 0.0
        swept = []
        for cell in mass:
            carried = cell * (1 - ratio) + carried * ratio
            swept.append(carried)
        mass = swept[::-1]
    return mass
