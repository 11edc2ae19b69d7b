# mypy: ignore-errors
"""
OpenDP's answers to one line, by its Polars route; runs in an environment of its own.

Reads a job (JSON) on stdin and writes answers on stdout. The data is bounded already,
and the bounds are promised (``unit_of(contributions=[Bound(…)])``): OpenDP 0.16's own
``truncate_num_groups(k)`` keeps k − 1 groups and its sampling fails, so this is its
best. Where each unit has one row a group, ``v`` is the unit's sum.
"""

from __future__ import annotations

import json
import sys
import warnings

import opendp.prelude as dp
import polars as pl

warnings.simplefilter("ignore")
dp.enable_features("contrib", "idealized-numerics")
CANDIDATES = 1000


def aggregate(at: int, kind: str, low: float, high: float) -> pl.Expr:
    """Return one aggregate as OpenDP has it."""
    value = pl.col(f"v{at}").cast(float).fill_null(0.0).fill_nan(0.0)
    match kind:
        case "count" | "units":
            found = dp.len(signed=True)
        case "sum":
            found = value.dp.sum((min(low, 0.0), high))
        case "avg":
            found = value.dp.mean((low, high))
        case "median":
            step = (high - low) / CANDIDATES
            found = value.dp.median([low + step * i for i in range(CANDIDATES + 1)])
        case _:
            found = pl.col(f"v{at}").dp.n_unique()
    return found.alias(f"a{at}")


def loss(job: dict) -> tuple:
    """Return what one question may lose, for Gaussian or Laplace noise."""
    extra = {} if job["public"] else {"delta": job["delta"]}
    if job["law"] == "gaussian":
        return dp.loss_of(rho=job["rho"], **extra)
    return dp.loss_of(epsilon=job["epsilon"], **extra)


def answer(job: dict, rows: pl.LazyFrame) -> dict:
    """Return one answer, by key."""
    by = ["g"] if job["keys"] else []
    bounds = [dp.polars.Bound(by=by, per_group=job["rows"])]
    if by:
        bounds = [
            dp.polars.Bound(by=by, per_group=job["rows"], num_groups=job["groups"])
        ]
    context = dp.Context.compositor(
        data=rows,
        privacy_unit=dp.unit_of(contributions=bounds),
        privacy_loss=loss(job),
        split_evenly_over=1,
        margins=[dp.polars.Margin(by=by, max_length=10_000_000, max_groups=1_000_000)],
    )
    wanted = [aggregate(at, *each) for at, each in enumerate(job["measures"])]
    if not by:
        found = context.query().select(*wanted).release().collect()
        return {"all": list(found.row(0))}
    asked = context.query().group_by("g").agg(*wanted)
    if job["public"]:
        asked = asked.with_keys(pl.LazyFrame({"g": job["domain"]}))
    found = asked.release().collect()
    return {row[0]: list(row[1:]) for row in found.rows()}


def main() -> None:
    """Answer one job."""
    job = json.load(sys.stdin)
    rows = pl.scan_parquet(job["parquet"])
    answers = [answer(job, rows) for _ in range(job["trials"])]
    print(json.dumps({"answers": answers}))


main()
