"""What questions must be made of, in the words of the writers."""

from __future__ import annotations

_TIES = ("person", "visit", "exam")

FEATURES: tuple[str, ...] = (
    # FROM
    *(
        "derived table",
        "unit out of sight",
        "odd names",
        "view",
        "WITH",
        "WITH, read again",
    ),
    *("VALUES", "generate_series", "TABLESAMPLE", "USING SAMPLE", "input in FROM"),
    *(f"private {how}" for how in ("ON", "USING", "NATURAL", "comma", "SEMI", "ANTI")),
    *(f"private {how}" for how in ("LEFT", "RIGHT", "FULL", "ASOF")),
    *(f"{how} public" for how in ("JOIN", "LEFT JOIN", "comma", "LATERAL", "ASOF")),
    *("SEMI JOIN public", "ANTI JOIN public"),
    *("public JOIN private", "public RIGHT JOIN private", "public LEFT JOIN private"),
    *(f"LATERAL, {shape}" for shape in ("rows", "first", "aggregate", "groups")),
    *("LATERAL, different", "public GROUP BY", "public window", "public LIMIT"),
    *("public DISTINCT ON", "public set operation", "public LEFT JOIN public"),
    *("row privacy", "row privacy, derived", "row privacy, UNION ALL"),
    # inside a unit
    *("DISTINCT inside", "DISTINCT ON", "GROUP BY inside", "HAVING inside", "QUALIFY"),
    *("UNION ALL of rows", "UNION of rows", "INTERSECT of rows", "EXCEPT of rows"),
    "EXCEPT ALL of rows",
    *(f"window {name}" for name in ("row_number", "rank", "dense_rank", "ntile")),
    *(f"window {name}" for name in ("percent_rank", "cume_dist", "lag", "lead")),
    *(f"window {name}" for name in ("first_value", "last_value", "nth_value")),
    *(f"window {name}" for name in ("count", "sum", "avg", "min", "max")),
    # subqueries
    *(f"{kind} by {tie}" for kind in ("EXISTS", "IN", "scalar") for tie in _TIES),
    *(f"IN on {tie}" for tie in _TIES),
    *("ANY by person", "public subquery", "input in WHERE", "look-up"),
    *("subquery in SELECT", "subquery in a key", "subquery in an aggregate"),
    # the boundary
    *(f"GROUP BY {kind}" for kind in ("plain", "ALL", "ROLLUP", "CUBE")),
    *("GROUP BY GROUPING SETS", "SELECT DISTINCT keys", "COUNT of DISTINCT rows"),
    *("public rows with a partner", "SQL over answers", "OPTIONS"),
    *("contribution bounds", "FILTER", "FILTER, disjoint", "COUNT DISTINCT unit"),
    *("COUNT", "COUNT DISTINCT", "APPROX_COUNT_DISTINCT", "COUNT_IF", "SUM", "AVG"),
    *("SUM DISTINCT", "AVG DISTINCT", "VAR_SAMP", "VAR_POP", "STDDEV", "STDDEV_POP"),
    *("COVAR_POP", "COVAR_SAMP", "CORR", "REGR_SLOPE", "REGR_INTERCEPT", "REGR_R2"),
    *("REGR_COUNT", "REGR_AVGX", "MIN", "MAX", "MEDIAN", "QUANTILE_CONT"),
    *("QUANTILE_DISC", "BOOL_OR", "BOOL_AND"),
)
