"""Short texts that mean a lot: what grows when WITH, CUBE or a chain is written out."""

from __future__ import annotations


def chain(first: str, step: str, last: str, length: int = 40) -> str:
    """Return WITH c0 AS (first), c1 AS (step of c0), … and a query of the last one."""
    named = [f"c0 AS ({first})"]
    named += [f"c{n} AS ({step.format(f'c{n - 1}')})" for n in range(1, length)]
    return f"WITH {', '.join(named)} {last.format(f'c{length - 1}')}"


def nested(opening: str, inner: str, closing: str, depth: int) -> str:
    """Return *inner* inside of many pairs."""
    return f"{opening * depth}{inner}{closing * depth}"


_ROWS = "SELECT * FROM orders"
_COUNT = "SELECT COUNT(*) AS n FROM orders"
_NOTE = "SELECT customer_id, note AS s FROM orders"
_AMOUNT = "SELECT customer_id, amount AS s FROM orders"
_TWICE = "SELECT * FROM {0} UNION ALL SELECT * FROM {0}"
_ALL = "SELECT COUNT(*) FROM {0}"
_TOTAL = "SELECT SUM(s) FROM {0}"

BOMBS = {
    "rows twice": chain(_ROWS, _TWICE, _ALL),
    "public rows twice": chain("SELECT * FROM products", _TWICE, _ALL),
    "answers twice": chain(_COUNT, _TWICE, _ALL),
    "answers joined": chain(_COUNT, "SELECT a.n FROM {0} AS a, {0} AS b", _ALL),
    "answers below": chain(
        _COUNT,
        _TWICE,
        "SELECT COUNT(*) FROM orders WHERE amount > (SELECT MAX(n) FROM {0})",
    ),
    "answers in answers": chain(
        _COUNT,
        "SELECT (SELECT MAX(n) FROM {0}) + (SELECT MIN(n) FROM {0}) AS n FROM {0}",
        "SELECT n FROM {0}",
    ),
    "a text": chain(_NOTE, "SELECT customer_id, s||s||s||s AS s FROM {0}", _ALL, 20),
    "a text of groups": chain(
        _NOTE,
        "SELECT customer_id, MAX(s)||MIN(s) AS s FROM {0} GROUP BY customer_id",
        "SELECT COUNT(*) FROM {0} WHERE s > 'a'",
        20,
    ),
    "a number": chain(_AMOUNT, "SELECT customer_id, s+s+s AS s FROM {0}", _TOTAL, 20),
    "a choice": chain(
        _AMOUNT,
        "SELECT customer_id, CASE WHEN s > 1 THEN s ELSE -s END AS s FROM {0}",
        _TOTAL,
        20,
    ),
    "sums": chain(
        _AMOUNT,
        "SELECT customer_id, SUM(s) + MAX(s) AS s FROM {0} GROUP BY customer_id",
        _TOTAL,
        20,
    ),
    "windows": chain(
        _AMOUNT,
        "SELECT customer_id, s + SUM(s) OVER (PARTITION BY customer_id) AS s FROM {0}",
        _TOTAL,
        20,
    ),
    "a key": chain(
        "SELECT customer_id, status AS t FROM orders",
        "SELECT customer_id, t||t AS t FROM {0}",
        "SELECT t, COUNT(*) FROM {0} GROUP BY t",
        20,
    ),
    "filters": chain(_ROWS, "SELECT * FROM {0} WHERE amount + amount > 1", _ALL, 60),
    "EXISTS": chain(
        _ROWS,
        "SELECT * FROM {0} AS a WHERE EXISTS (SELECT 1 FROM {0} AS b WHERE"
        " a.customer_id = b.customer_id)",
        _ALL,
    ),
    "IN": chain(
        _ROWS,
        "SELECT * FROM {0} WHERE customer_id IN (SELECT customer_id FROM {0})",
        _ALL,
    ),
    "joins": chain(
        _ROWS,
        "SELECT a.customer_id FROM {0} AS a JOIN {0} AS b USING (customer_id)",
        _ALL,
    ),
    "FROM in FROM": nested("SELECT COUNT(*) FROM (", _ROWS, ")", 30),
    "IN in IN": "SELECT COUNT(*) FROM orders WHERE "
    + nested("customer_id IN (SELECT customer_id FROM orders WHERE ", "TRUE", ")", 15),
    "averages": "SELECT COUNT(*) FROM orders WHERE amount > "
    + nested("(SELECT AVG(amount) FROM orders WHERE amount > ", "1", ")", 15),
    "CUBE": f"SELECT COUNT(*) FROM orders GROUP BY CUBE ({', '.join(['status'] * 30)})",
    "CUBEs": "SELECT COUNT(*) FROM orders GROUP BY "
    + ", ".join(f"CUBE (status || '{n}')" for n in range(60)),
    "ROLLUP": "SELECT COUNT(*) FROM orders GROUP BY ROLLUP ("
    + ", ".join(f"status || '{n}'" for n in range(31))
    + ")",
    "constants": "SELECT COUNT(*) FROM orders, generate_series(1, 10000) AS a(x),"
    " generate_series(1, 10000) AS b(y)",
    "keys": "SELECT COUNT(*) FROM orders GROUP BY "
    + ", ".join(f"EXTRACT({part} FROM placed_on)" for part in ("year", "doy", "day")),
    "tables": "SELECT COUNT(*) FROM orders AS o "
    + " ".join(
        f"JOIN orders AS o{n} ON o{n}.customer_id = o.customer_id" for n in range(150)
    ),
    "aggregates": f"SELECT {', '.join(f'SUM(amount + {n})' for n in range(150))}"
    " FROM orders",
    "answers below each other": " UNION ALL ".join([_COUNT] * 200),
    "brackets": nested("(", "SELECT 1", ")", 10_000),
    "types": f"SELECT {nested('date(', '1', ')', 10_000)} FROM orders",
    "signs": f"SELECT SUM({'-' * 1_500} amount) FROM orders",
    "negations": f"SELECT COUNT(*) FROM orders WHERE {'NOT ' * 1_500} express",
    "a long text": f"SELECT COUNT(*) FROM orders WHERE note = '{'x' * 5_000_000}'",
    "a long list": f"SELECT COUNT(*) FROM orders WHERE order_id IN (0{', 1' * 10**6})",
    "a long comment": f"SELECT COUNT(*) FROM orders --{' ' * 5_000_000}",
}
