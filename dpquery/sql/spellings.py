"""How sqlglot spells what the plan knows, as tables."""

from __future__ import annotations

from typing import TypeAlias

from sqlglot import exp

from dpquery.policy.catalog import SqlType

COMPARISONS: dict[type[exp.Expr], str] = {
    exp.EQ: "eq",
    exp.NEQ: "ne",
    exp.LT: "lt",
    exp.LTE: "le",
    exp.GT: "gt",
    exp.GTE: "ge",
}

NAMED_NODES: dict[type[exp.Expr], tuple[str, tuple[str, ...]]] = {
    exp.Add: ("add", ("this", "expression")),
    exp.Sub: ("subtract", ("this", "expression")),
    exp.Mul: ("multiply", ("this", "expression")),
    exp.Div: ("divide", ("this", "expression")),
    exp.IntDiv: ("int_divide", ("this", "expression")),
    exp.Mod: ("modulo", ("this", "expression")),
    exp.Abs: ("abs", ("this",)),
    exp.Sign: ("sign", ("this",)),
    exp.Floor: ("floor", ("this",)),
    exp.Ceil: ("ceil", ("this",)),
    exp.Trunc: ("trunc", ("this",)),
    exp.Round: ("round", ("this", "decimals")),
    exp.Lower: ("lower", ("this",)),
    exp.Upper: ("upper", ("this",)),
    exp.Trim: ("trim", ("this",)),
    exp.Length: ("length", ("this",)),
    exp.Left: ("left", ("this", "expression")),
    exp.Right: ("right", ("this", "expression")),
    exp.Substring: ("substring", ("this", "start", "length")),
    exp.StartsWith: ("starts_with", ("this", "expression")),
    exp.EndsWith: ("ends_with", ("this", "expression")),
    exp.Contains: ("contains", ("this", "expression")),
    exp.Replace: ("replace", ("this", "expression", "replacement")),
    exp.DPipe: ("concat", ("this", "expression")),
    exp.Like: ("like", ("this", "expression")),
    exp.ILike: ("ilike", ("this", "expression")),
    exp.Year: ("year", ("this",)),
    exp.Quarter: ("quarter", ("this",)),
    exp.Month: ("month", ("this",)),
    exp.Week: ("week", ("this",)),
    exp.WeekOfYear: ("week", ("this",)),
    exp.Day: ("day", ("this",)),
    exp.DayOfMonth: ("day", ("this",)),
    exp.DayOfWeek: ("dayofweek", ("this",)),
    exp.DayOfWeekIso: ("isodow", ("this",)),
    exp.DayOfYear: ("dayofyear", ("this",)),
    exp.Hour: ("hour", ("this",)),
    exp.Minute: ("minute", ("this",)),
    exp.Second: ("second", ("this",)),
    exp.DateTrunc: ("date_trunc", ("unit", "this")),
    exp.TimestampTrunc: ("date_trunc", ("unit", "this")),
}
"""sqlglot's node, the plan's function, and the node's arguments in our order."""

_T = exp.DType
CAST_TYPES: dict[exp.DType, SqlType] = {
    **dict.fromkeys((_T.TINYINT, _T.SMALLINT, _T.INT, _T.BIGINT), SqlType.INTEGER),
    **dict.fromkeys((_T.FLOAT, _T.DOUBLE, _T.DECIMAL), SqlType.DOUBLE),
    **dict.fromkeys((_T.TEXT, _T.VARCHAR), SqlType.VARCHAR),
    _T.BOOLEAN: SqlType.BOOLEAN,
    _T.DATE: SqlType.DATE,
    **dict.fromkeys((_T.TIMESTAMP, _T.DATETIME, _T.TIMESTAMPNTZ), SqlType.TIMESTAMP),
}

Kinds: TypeAlias = type[exp.Expr] | tuple[type[exp.Expr], ...]
UNSUPPORTED: tuple[tuple[Kinds, str, str, str], ...] = (
    (
        exp.Window,
        "window functions are not supported yet",
        "DPQ114",
        "group the rows instead; ranks over an answer can be made from the answer",
    ),
    (
        (exp.Subquery, exp.Select, exp.Exists, exp.Any, exp.All, exp.SetOperation),
        "subqueries are not supported yet",
        "DPQ115",
        "join the table, or ask the inner query first and use its answer",
    ),
    (
        exp.Filter,
        "FILTER clauses are not supported yet",
        "DPQ121",
        "COUNT(CASE WHEN … THEN 1 END), SUM(CASE WHEN … THEN x END)",
    ),
    (
        exp.AggFunc,
        "this aggregate is not supported yet, or stands where none may stand",
        "DPQ121",
        "COUNT, COUNT(DISTINCT unit), SUM and AVG are answered",
    ),
    (
        exp.Star,
        "* would list rows of individuals",
        "DPQ122",
        "name the columns to group by, and COUNT(*) or another aggregate",
    ),
    (
        (exp.CurrentDate, exp.CurrentTimestamp, exp.CurrentTime),
        "the clock is not read: the same question has the same answer",
        "DPQ106",
        "write the date, e.g. DATE '2026-01-31'",
    ),
    (
        (exp.Rollup, exp.Cube, exp.GroupingSets),
        "several levels of GROUP BY are not supported yet",
        "DPQ100",
        "ask for each level in a query of its own",
    ),
    (
        (exp.Placeholder, exp.Parameter),
        "parameters are not supported",
        "DPQ100",
        "write the value into the query",
    ),
)
"""Nodes that people write and that are refused, with what to do instead."""
