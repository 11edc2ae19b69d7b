"""Questions with the plain SQL that they must agree with, and what is left out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .scenarios import ROWS, sample_queries

if TYPE_CHECKING:
    from collections.abc import Iterator

Key = tuple[Any, ...]


@dataclass(frozen=True)
class Question:
    """One question; its group keys come first in SELECT."""

    scenario: str
    title: str
    sql: str
    keys: int = 1
    left_out: frozenset[Key] = frozenset()
    """Groups that plain SQL shows and dpquery must not; exactly these."""
    plain: str | None = None
    """The same in plain SQL, where that has to be written differently."""


_NOT_LISTED = {
    # NULL, or a value that the policy's list, bounds or public table do not have
    "Participants by region": {(None,)},
    "Alert rate by channel": {("telex",)},
    "Cash just below the reporting threshold, by year": {(None,)},
    "Imports and exports by year": {(None, "import"), (None, "export")},
    "Number of firms importing, by chapter": {(None,)},
}
_ONE_UNIT = {
    # keys are unknown, and what only one unit has is withheld
    "Accounts by currency, rare currencies are withheld": {("ISK",)},
}
LEFT_OUT: dict[str, set[Key]] = {**_NOT_LISTED, **_ONE_UNIT}
"""By the title of a sample query."""
KEYS = {
    "BI-RADS categories in towns and in the country": 2,
    "Turnover by month and the customer's risk class in 2025": 2,
    "Imports and exports by year": 2,
}
"""How many keys, where it is not one."""


def from_samples() -> Iterator[Question]:
    """Yield the sample queries."""
    for scenario in ROWS:
        for title, sql in sample_queries(scenario):
            left_out = frozenset(LEFT_OUT.get(title, ()))
            yield Question(scenario, title, sql, KEYS.get(title, 1), left_out)


def _clinic(title: str, sql: str, keys: int = 1, **more: Any) -> Question:  # noqa: ANN401
    return Question("clinic", title, sql, keys, **more)


def _bank(title: str, sql: str, keys: int = 1, **more: Any) -> Question:  # noqa: ANN401
    return Question("bank", title, sql, keys, **more)


def _trade(title: str, sql: str, keys: int = 1, **more: Any) -> Question:  # noqa: ANN401
    return Question("trade", title, sql, keys, **more)


OWN = [
    _clinic("a number of rows", "SELECT COUNT(*) AS n FROM visits", 0),
    _clinic(
        "nothing is found",
        "SELECT COUNT(*) AS n, SUM(cost) AS s, AVG(cost) AS a FROM visits "
        "WHERE cost BETWEEN 1 AND 4 AND cost > 4",
        0,
    ),
    _clinic(
        "values outside the bounds are moved to the nearer end",
        "SELECT SUM(cost) AS s, AVG(cost) AS a, COUNT(cost) AS n FROM visits",
        0,
        plain="SELECT SUM(c) AS s, AVG(c) AS a, COUNT(c) AS n FROM (SELECT CASE "
        "WHEN cost < 0 THEN 0 WHEN cost > 5000 THEN 5000 ELSE cost END AS c "
        "FROM visits)",
    ),
    _clinic(
        "NaN and infinities are NULL",
        "SELECT density, COUNT(dose_mgy) AS n, SUM(dose_mgy) AS s FROM mammograms "
        "GROUP BY density ORDER BY density",
        plain="SELECT density, COUNT(d) AS n, SUM(d) AS s FROM (SELECT density, CASE "
        "WHEN NOT isfinite(dose_mgy) THEN NULL WHEN dose_mgy < 0 THEN 0 "
        "WHEN dose_mgy > 20 THEN 20 ELSE dose_mgy END AS d FROM mammograms) "
        "GROUP BY density ORDER BY density",
    ),
    _clinic(
        "a listed NULL is a key",
        "SELECT sex, COUNT(*) AS n FROM patients GROUP BY sex ORDER BY sex",
    ),
    _clinic(
        "whole numbers as keys; 1066 and 2062 are out of bounds",
        "SELECT birth_year // 10 * 10 AS decade, COUNT(*) AS n FROM patients "
        "GROUP BY 1 ORDER BY 1",
        left_out=frozenset({(None,), (1060,), (2060,)}),
    ),
    _clinic(
        "unknown keys; NULL is one of them",
        "SELECT ward, COUNT(*) AS n, COUNT(DISTINCT patient_id) AS who FROM visits "
        "GROUP BY ward ORDER BY ward",
        left_out=frozenset({("Caisson hyperbare",)}),
    ),
    _clinic(
        "CASE as a key",
        "SELECT CASE WHEN cost < 100 THEN 'low' WHEN cost < 1000 THEN 'middle' "
        "ELSE 'high or unknown' END AS class, COUNT(*) AS n FROM visits "
        "GROUP BY class ORDER BY class",
    ),
    _clinic(
        "NOT, LIKE, OR and IS NULL",
        "SELECT COUNT(*) AS n FROM visits WHERE NOT (ward LIKE '%ology' "
        "OR ward ILIKE 's%' OR emergency IS NULL) OR ward IS NULL",
        0,
    ),
    _clinic(
        "conditions as keys",
        "SELECT cost IS NULL AS unknown, emergency IS NOT TRUE AS planned, "
        "COUNT(*) AS n FROM visits GROUP BY ALL ORDER BY 1, 2",
        2,
    ),
    _clinic(
        "a part of a date as a key",
        "SELECT isodow(visited_on) AS day, COUNT(*) AS n FROM visits "
        "GROUP BY day ORDER BY day",
        left_out=frozenset({(None,)}),
    ),
    _clinic(
        "CASE, COALESCE and booleans inside aggregates",
        "SELECT SUM(CASE WHEN emergency THEN 1 ELSE 0 END) AS a, SUM(emergency) AS b, "
        "COUNT(CASE WHEN emergency THEN 1 END) AS c, "
        "SUM(COALESCE(LEAST(GREATEST(cost, 10), 300), 7)) AS d FROM visits",
        0,
    ),
    _clinic(
        "three tables on the way to the owner",
        "SELECT b.result, p.sex, COUNT(*) AS n, AVG(b.size_mm) AS size "
        "FROM biopsies AS b JOIN mammograms AS m ON b.mammogram_id = m.mammogram_id "
        "JOIN visits AS v ON m.visit_id = v.visit_id "
        "JOIN patients AS p ON v.patient_id = p.patient_id "
        "GROUP BY b.result, p.sex ORDER BY b.result, p.sex",
        2,
    ),
    _clinic(
        "two tables, and the owner's is not among them",
        "SELECT m.birads, COUNT(*) AS n FROM biopsies AS b "
        "JOIN mammograms AS m ON b.mammogram_id = m.mammogram_id "
        "GROUP BY m.birads ORDER BY m.birads",
    ),
    _clinic(
        "columns of a public table as keys",
        "SELECT r.name, r.population // 1000 AS thousands, COUNT(*) AS n "
        "FROM patients AS p JOIN regions AS r ON p.region = r.name "
        "GROUP BY r.name, thousands HAVING COUNT(*) > 300 ORDER BY n DESC, r.name",
        2,
    ),
    _bank(
        "units of a joined table",
        "SELECT c.segment, COUNT(DISTINCT c.customer_id) AS who, COUNT(*) AS n "
        "FROM accounts AS a JOIN customers AS c ON a.customer_id = c.customer_id "
        "GROUP BY c.segment ORDER BY c.segment",
    ),
    _bank(
        "an hour as a key",
        "SELECT hour(booked_at) AS hour, COUNT(*) AS n FROM transfers "
        "GROUP BY 1 ORDER BY 1",
        left_out=frozenset({(None,)}),
    ),
    _bank(
        "arithmetic in and above aggregates",
        "SELECT channel, SUM(amount * 2 - 1) / 1000 AS s, 2 * COUNT(*) + 1 AS n, "
        "AVG(amount / 4) AS a FROM transfers WHERE amount BETWEEN 0 AND 50000 "
        "GROUP BY channel ORDER BY channel",
        left_out=frozenset({("telex",)}),
    ),
    _bank(
        "a page of an ordered answer",
        "SELECT country, COUNT(*) AS n FROM transfers WHERE country IS NOT NULL "
        "GROUP BY country ORDER BY 2 DESC LIMIT 3 OFFSET 1",
    ),
    _bank(
        "lists and intervals of dates",
        "SELECT channel, COUNT(*) AS n FROM transfers "
        "WHERE channel NOT IN ('cash', 'card') "
        "AND booked_at BETWEEN '2024-01-01' AND '2024-06-30 12:00:00' "
        "GROUP BY channel ORDER BY channel",
        left_out=frozenset({("telex",)}),
    ),
    _bank(
        "texts as keys",
        "SELECT LOWER(LEFT(currency, 2)) AS c, COUNT(*) AS n FROM accounts "
        "GROUP BY c ORDER BY c",
    ),
    _bank(
        "a LEFT JOIN keeps rows without a partner",
        "SELECT COUNT(*) AS n, COUNT(k.code) AS known FROM transfers AS t "
        "LEFT JOIN countries AS k ON t.country = k.code",
        0,
    ),
    _bank(
        "what has no partner is a group",
        "SELECT COALESCE(k.continent, 'none') AS place, k.listed, COUNT(*) AS n "
        "FROM transfers AS t LEFT JOIN countries AS k ON t.country = k.code "
        "GROUP BY place, k.listed ORDER BY place, k.listed",
        2,
    ),
    _bank(
        "a self-join on the unit",
        "SELECT a.kind, COUNT(*) AS pairs FROM accounts AS a "
        "JOIN accounts AS b ON a.customer_id = b.customer_id "
        "WHERE a.account_id < b.account_id GROUP BY a.kind ORDER BY a.kind",
    ),
    _trade(
        "NaN in weights",
        "SELECT direction, AVG(weight_kg) AS a FROM declarations "
        "GROUP BY direction ORDER BY direction",
        plain="SELECT direction, AVG(CASE WHEN NOT isfinite(weight_kg) THEN NULL "
        "WHEN weight_kg < 0 THEN 0 WHEN weight_kg > 40000 THEN 40000 "
        "ELSE weight_kg END) AS a FROM declarations GROUP BY direction "
        "ORDER BY direction",
    ),
    _trade(
        "casts, remainders and NULLIF",
        "SELECT TRY_CAST(good_code AS INTEGER) % 7 AS class, COUNT(*) AS n, "
        "SUM(CAST(value_eur AS INTEGER)) AS s, "
        "AVG(NULLIF(CAST(value_eur AS INTEGER) % 10, 0)) AS a FROM declarations "
        "WHERE value_eur BETWEEN 0 AND 200000 GROUP BY class ORDER BY class",
        left_out=frozenset({(None,)}),
    ),
    _trade(
        "months by direction, with a condition on their mean",
        "SELECT date_trunc('month', declared_on) AS month, direction, "
        "AVG(value_eur) AS a FROM declarations "
        "WHERE value_eur BETWEEN 0 AND 200000 AND year(declared_on) = 2021 "
        "GROUP BY month, direction HAVING AVG(value_eur) > 11000 ORDER BY 1, 2",
        2,
    ),
    _trade(
        "functions of texts",
        "SELECT COUNT(*) AS n FROM declarations WHERE LENGTH(office) > 8 "
        "AND NOT starts_with(office, 'L') AND UPPER(direction) || '!' = 'IMPORT!'",
        0,
    ),
    _trade(
        "two keys, one of them unknown",
        "SELECT f.size, d.office, COUNT(DISTINCT d.firm_id) AS firms "
        "FROM declarations AS d JOIN firms AS f ON d.firm_id = f.firm_id "
        "GROUP BY f.size, d.office ORDER BY f.size, d.office",
        2,
        left_out=frozenset((s, "Château de Vianden") for s in ("medium", "large")),
    ),
]
"""One question for each thing that the grammar has."""
