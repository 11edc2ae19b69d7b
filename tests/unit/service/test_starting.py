"""From a store to a policy that answers: `dpquery init`, its blanks filled."""

from __future__ import annotations

import re
from pathlib import Path

import duckdb
import pytest

import dpquery
from dpquery.errors import ConfigError, EngineFailure
from dpquery.policy.load import problems
from dpquery.service.starting import Started, start

BLANK = re.compile(r": # FILL IN: .*?, such as (.*)$", re.MULTILINE)


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    path = tmp_path / "shop.duckdb"
    with duckdb.connect(path) as connection:
        connection.execute("""
CREATE TABLE customers (id INTEGER PRIMARY KEY, town VARCHAR, age SMALLINT NOT NULL);
CREATE TABLE orders (
  nr INTEGER PRIMARY KEY, customer INTEGER NOT NULL REFERENCES customers (id),
  total DECIMAL(9, 2) CHECK (total <> 77777), paid BOOLEAN NOT NULL, since TIMESTAMP);
CREATE TABLE lines (o INTEGER REFERENCES orders (nr), n INTEGER DEFAULT 88888);
CREATE TABLE colours (name VARCHAR PRIMARY KEY);
CREATE VIEW dear AS SELECT * FROM orders WHERE total > 99999;
COMMENT ON TABLE orders IS 'what was bought';
COMMENT ON COLUMN orders.total IS 'in euros';
INSERT INTO customers SELECT range, 'Secretville', 44 FROM range(2000);
INSERT INTO orders SELECT range, range % 2000, 5, true, NULL FROM range(4000);
INSERT INTO lines SELECT range % 4000, 3 FROM range(8000);
INSERT INTO colours VALUES ('secretblue');
""")
    return path


def fill(started: Started) -> None:
    text = started.path.read_text(encoding="utf-8")
    started.path.write_text(BLANK.sub(r": \1", text), encoding="utf-8")


def test_a_database_becomes_a_policy_that_answers(shop: Path, tmp_path: Path) -> None:
    started = start([shop], tmp_path / "here")
    text = started.path.read_text(encoding="utf-8")
    assert "privacy_unit: customer # GUESS: 2 tables refer to customers" in text
    assert "  orders: # what was bought\n" in text
    assert "      total: # DECIMAL(9,2): in euros\n" in text
    assert "views of the database, left out" in text
    for value in ("Secretville", "secretblue", "77777", "88888", "99999", "44"):
        assert value not in text
    refused = problems(started.path)
    assert len(refused) == started.starter.blanks > 3
    assert {error.code for error in refused} == {"DPQ311"}
    fill(started)
    with dpquery.connect(started.path, analyst="analyst") as session:
        (row,) = session.query("SELECT count(*) FROM customers", epsilon=1).rows
        assert abs(row[0] - 2000) < 100
        assert session.query("SELECT sum(total) FROM orders").rows
        joined = "SELECT count(*) FROM lines JOIN orders ON o = nr WHERE paid"
        assert session.query(joined).rows


def test_files_become_a_policy_that_answers(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    with duckdb.connect() as connection:
        connection.execute(
            f"""COPY (SELECT range AS user_id, 'Secretville' AS town FROM range(3000))
                TO '{data}/users.parquet';
                COPY (SELECT range AS click_id, range % 3000 AS user_id, 7.5 AS seconds
                      FROM range(6000)) TO '{data}/clicks.csv' (HEADER)"""
        )
    started = start([data], tmp_path)
    text = started.path.read_text(encoding="utf-8")
    assert "clicks: data/clicks.csv" in text
    assert "Secretville" not in text
    fill(started)
    with dpquery.connect(started.path, analyst="analyst") as session:
        assert session.query("SELECT count(*), avg(seconds) FROM clicks").rows


def test_the_schema_lies_beside_and_is_not_overwritten_either(tmp_path: Path) -> None:
    schema = tmp_path / "policy.schema.json"
    schema.write_text("mine")
    start([], tmp_path)
    assert schema.read_text() == "mine"
    start([], tmp_path / "new")
    assert '"dpquery policy"' in (tmp_path / "new/policy.schema.json").read_text()


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text("mine")
    with pytest.raises(ConfigError) as caught:
        start([], tmp_path)
    assert caught.value.code == "DPQ430"
    assert path.read_text() == "mine"
    path.unlink()
    path.symlink_to(tmp_path / "nowhere")
    with pytest.raises(ConfigError) as caught:
        start([], tmp_path)
    assert caught.value.code == "DPQ430"


def test_stores_that_are_none(tmp_path: Path, shop: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "twice").mkdir()
    for name in ("a.csv", "A.parquet"):
        (tmp_path / "twice" / name).touch()
    with duckdb.connect(tmp_path / "none.duckdb"):
        pass
    stores = {
        "there is no file": [tmp_path / "missing.duckdb"],
        "there is no file .*csv": [tmp_path / "missing.csv"],
        "no .parquet and no .csv": [tmp_path / "empty"],
        "same table": [tmp_path / "twice"],
        "neither": [shop, tmp_path / "twice"],
        "there is no table": [tmp_path / "none.duckdb"],
    }
    for message, those in stores.items():
        with pytest.raises(ConfigError, match=message) as caught:
            start(those, tmp_path)
        assert caught.value.code == "DPQ431"
    assert not (tmp_path / "policy.yaml").exists()
    (tmp_path / "x.duckdb").write_text("no database")
    with pytest.raises(EngineFailure):
        start([tmp_path / "x.duckdb"], tmp_path)


def test_a_folder_of_a_database_is_explained(tmp_path: Path, shop: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        start([tmp_path], tmp_path)
    assert caught.value.hint == f"did you mean --from {shop}?"


def test_a_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError) as caught:
        start([], tmp_path / "file" / "below")
    assert caught.value.code == "DPQ432"
