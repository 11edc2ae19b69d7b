"""A small shop with a person in it who is looked for, and the same without anybody."""

from __future__ import annotations

from pathlib import Path

import duckdb

from dpquery.service import Service

POLICY = """\
version: 1
name: hostile
source: {duckdb: hostile.duckdb}
privacy_unit: customer
tables:
  customers:
    privacy_unit_column: customer_id
    key: customer_id
    columns:
      name: {}
      city: {}
      birth_year: {bounds: [1900, 2026]}
      income: {bounds: [0, 100000]}
  orders:
    privacy_unit_column: customer_id
    key: order_id
    references: {customer_id: customers.customer_id}
    max_rows_per_unit: 20
    columns:
      amount: {bounds: [0, 1000]}
      status: {}
      placed_on: {}
  line_items:
    references: {order_id: orders.order_id, product_id: products.product_id}
    max_rows_per_unit: 60
    columns: {quantity: {bounds: [0, 100]}, price: {bounds: [0, 1000]}}
  products: {public: true, key: product_id}
budget: {epsilon: 1e9, delta: 1e-6}
query: {epsilon: 1000, max_epsilon: 1e8, delta: 1e-10}
analysts: {alice: {epsilon: 1e9}}
limits: {memory: 500MB, threads: 2, seconds: 10}
"""
TABLES = """\
CREATE TABLE customers (
  customer_id INTEGER, name VARCHAR, city VARCHAR, birth_year INTEGER, income DOUBLE
);
CREATE TABLE orders (
  order_id INTEGER, customer_id INTEGER, amount DOUBLE, status VARCHAR, placed_on DATE
);
CREATE TABLE line_items (
  order_id INTEGER, product_id INTEGER, quantity INTEGER, price DOUBLE
);
CREATE TABLE products (product_id INTEGER, category VARCHAR, list_price DOUBLE);
INSERT INTO products VALUES (1, 'a', 1.5), (2, 'b', 2.5), (3, 'a', 3), (4, NULL, 9);
"""
ROWS = """\
INSERT INTO customers
  SELECT i, 'n' || i, ['Oslo', 'Bergen'][i % 2 + 1], 1950 + i, i * 1000
  FROM range(1, 9) AS t(i);
UPDATE customers SET name = 'Bob', income = 1e300 WHERE customer_id = 5;
INSERT INTO orders
  SELECT i, i % 8 + 1, i * 3.5, ['open', 'paid'][i % 2 + 1], DATE '2024-01-01' + i::INT
  FROM range(1, 40) AS t(i);
INSERT INTO line_items
  SELECT i % 39 + 1, i % 4 + 1, i % 5, i * 1.5 FROM range(100) AS t(i);
"""


def opened(folder: Path, rows: str) -> Service:
    """Return a service of its own on a database with *rows*."""
    folder.mkdir()
    with duckdb.connect(folder / "hostile.duckdb") as database:
        database.execute(TABLES)
        database.execute(rows)
    path = folder / "hostile.yaml"
    path.write_text(POLICY, encoding="utf-8")
    return Service.open(path)
