"""Catalogs to ask about: the three samples, and a shop that exists in memory only."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from shutil import copy

import duckdb
import pytest

from dpquery.engines.base import Limits
from dpquery.engines.duckdb import DuckDBEngine
from dpquery.kernel import measurement, ranked
from dpquery.plan.program import BoundingMode, ReleaseStep
from dpquery.plan.rewrite import BoundingRules, compile_program
from dpquery.policy.build import build
from dpquery.policy.catalog import Catalog, DescribedColumn
from dpquery.policy.load import LoadedPolicy, load
from dpquery.sql.queries.bind import bind

ROOT = Path(__file__).parents[2]
SAMPLES = ("clinic", "bank", "trade")
RULES = BoundingRules(BoundingMode.NORM, norm=2, groups=8)

SHOP = """\
version: 1
name: shop
source: {duckdb: shop.duckdb}
privacy_unit: customer
tables:
  customers:
    privacy_unit_column: customer_id
    key: customer_id
    columns:
      name: {}
      city: {values: [Oslo, Bergen, null]}
      birth_year: {bounds: [1900, 2026]}
      income: {bounds: [0, 100000]}
  orders:
    privacy_unit_column: customer_id
    key: order_id
    references: {customer_id: customers.customer_id}
    max_rows_per_unit: 20
    max_rows_per_group: 5
    columns:
      amount: {bounds: [-1000, 1000], grid: 0.01}
      status: {values: [open, paid]}
      placed_on: {bounds: [2024-01-30, 2025-02-02]}
      paid_at: {bounds: [2024-01-30, 2025-02-02]}
      express: {}
      note: {}
      kind: {values_from: products.category}
  line_items:
    references: {order_id: orders.order_id, product_id: products.product_id}
    key: item_id
    max_rows_per_unit: 60
    columns: {quantity: {bounds: [0, 10]}, price: {bounds: [0, 99.5]}}
  payments:
    references: {order_id: orders.order_id}
    columns: {paid: {bounds: [0, 10]}}
  picks:
    references: {item_id: line_items.item_id}
    columns: {seconds: {bounds: [0, 60]}}
  sensors: {row_privacy: true, columns: {reading: {bounds: [0, 1]}, station: {}}}
  products: {public: true, key: product_id}
budget: {epsilon: 8, delta: 1e-6}
analysts: {alice: {epsilon: 3}}
"""

COLUMNS = {
    "customers": "customer_id INTEGER, name VARCHAR, city VARCHAR, birth_year INTEGER,"
    " income DOUBLE",
    "orders": "order_id INTEGER, customer_id INTEGER, amount DECIMAL(10;2),"
    " status VARCHAR, placed_on DATE, paid_at TIMESTAMP, express BOOLEAN, kind VARCHAR,"
    " note VARCHAR",
    "line_items": "item_id INTEGER, order_id INTEGER, product_id INTEGER,"
    " quantity SMALLINT, price FLOAT",
    "payments": "order_id INTEGER, paid DOUBLE",
    "picks": "item_id INTEGER, seconds INTEGER",
    "sensors": "reading DOUBLE, station VARCHAR",
    "products": "product_id INTEGER, category VARCHAR, list_price DECIMAL(8;2)",
}


@pytest.fixture(scope="session")
def shop_policy(tmp_path_factory: pytest.TempPathFactory) -> LoadedPolicy:
    path = tmp_path_factory.mktemp("shop") / "shop.yaml"
    path.write_text(SHOP, encoding="utf-8")
    return load(path)


@pytest.fixture(scope="session")
def shop(shop_policy: LoadedPolicy) -> Catalog:
    described = [
        DescribedColumn(table, name, kind.replace(";", ","), nullable=True)
        for table, columns in COLUMNS.items()
        for name, kind in (each.split() for each in columns.split(","))
    ]
    return build(shop_policy, described)


ROWS = {
    "customers": "(1, 'Ann', 'Oslo', 1980, 5e4), (2, NULL, 'Rome', NULL, 'nan'),"
    " (NULL, 'Bob', NULL, 2147483647, 'inf'), (-2147483648, '', '', 0, -1e308)",
    "orders": "(1, 1, 9.99, 'open', '2024-02-29', '2024-02-29 10:00:00', TRUE, 'a',"
    " '7'),"
    " (2, 2, NULL, NULL, NULL, NULL, NULL, NULL, NULL),"
    " (3, 2, -99999999.99, 'x', 'infinity', 'infinity', FALSE, '', ''),"
    " (4, 9, 0, 'paid', '5881580-07-10', '294247-01-10', FALSE, 'b', '🙂')",
    "line_items": "(1, 1, 1, 32767, '-inf'), (2, 3, NULL, NULL, 'nan'),"
    " (3, 77, 1, 0, 0)",
    "payments": "(1, 1e300), (3, NULL)",
    "picks": "(1, 5), (2, NULL), (3, -2147483648)",
    "sensors": "('nan', 'a'), (0.5, NULL)",
    "products": "(1, 'a', 1.50), (2, NULL, NULL), (3, 'c', -999999.99)",
}


@pytest.fixture(scope="session")
def shop_engine(tmp_path_factory: pytest.TempPathFactory) -> DuckDBEngine:
    """A small database of the shop, with the rows that make SQL raise."""
    path = tmp_path_factory.mktemp("shop") / "shop.duckdb"
    with duckdb.connect(path) as database:
        for table, columns in COLUMNS.items():
            database.execute(f"CREATE TABLE {table} ({columns.replace(';', ',')})")
            database.execute(f"INSERT INTO {table} VALUES {ROWS[table]}")
    return DuckDBEngine.open(path, Limits(memory="500MB", threads=1, seconds=60))


Compile = Callable[..., ReleaseStep]


@pytest.fixture(scope="session")
def compile_step(shop: Catalog) -> Compile:
    """Compile one query on the shop into its one release."""

    def compile_sql(sql: str, rules: BoundingRules = RULES) -> ReleaseStep:
        (step,) = compile_program(bind(sql, shop), shop, rules).releases
        return step

    return compile_sql


@pytest.fixture(scope="session")
def sample_policies() -> dict[str, LoadedPolicy]:
    return {name: load(ROOT / "policies" / f"{name}.yaml") for name in SAMPLES}


@pytest.fixture(scope="session")
def sample_engines(tmp_path_factory: pytest.TempPathFactory) -> dict[str, DuckDBEngine]:
    """Engines on copies: a process opens one DuckDB file with one configuration."""
    limits = Limits(memory="500MB", threads=1, seconds=60)
    folder = tmp_path_factory.mktemp("samples")
    return {
        name: DuckDBEngine.open(
            Path(copy(ROOT / "sample_data" / f"{name}.duckdb", folder)), limits
        )
        for name in SAMPLES
    }


@pytest.fixture(scope="session")
def sample_catalogs(
    sample_policies: dict[str, LoadedPolicy], sample_engines: dict[str, DuckDBEngine]
) -> dict[str, Catalog]:
    return {
        name: build(sample_policies[name], engine.describe())
        for name, engine in sample_engines.items()
    }


@pytest.fixture
def no_noise(monkeypatch: pytest.MonkeyPatch) -> None:
    """Measure exactly: no noise is added, and the best candidate is chosen."""

    def best(
        _choice: object, penalties: Sequence[Sequence[int]], _loss: object
    ) -> list[int]:
        return [min(range(len(p)), key=p.__getitem__) for p in penalties]

    monkeypatch.setattr(
        measurement, "measure", lambda _noise, exact, _loss: list(exact)
    )
    monkeypatch.setattr(ranked, "choose", best)
