"""Every function of DuckDB is allowed above the boundary, or denied for a reason."""

from __future__ import annotations

import re
from importlib import resources
from typing import TYPE_CHECKING

import duckdb
import pytest

from dpquery.engines.base import Limits
from dpquery.engines.parse_tree import statements, walk
from dpquery.engines.released import ReleasedDatabase
from dpquery.engines.released_select import TABLE_FUNCTIONS, functions
from dpquery.errors import EngineFailure

if TYPE_CHECKING:
    from collections.abc import Iterator

LIMITS = Limits(memory="300MB", threads=1, seconds=5)

DENIED = {
    "reads the catalog, settings, variables, files or the session": """
        col_description current_catalog current_connection_id current_database
        current_query current_query_id current_role current_schema current_schemas
        current_setting current_transaction_id current_user currval format_pg_type
        format_type get_block_size getvariable has_any_column_privilege
        has_column_privilege has_database_privilege has_foreign_data_wrapper_privilege
        has_function_privilege has_language_privilege has_schema_privilege
        has_sequence_privilege has_server_privilege has_table_privilege
        has_tablespace_privilege hive_partition_component in_search_path index_key
        inet_client_addr inet_client_port inet_server_addr inet_server_port
        json_deserialize_sql json_serialize_plan json_serialize_sql map_to_pg_oid
        map_type_id_to_pg_oid nextval obj_description parse_duckdb_log_message
        pg_collation_is_visible pg_conf_load_time pg_conversion_is_visible
        pg_function_is_visible pg_get_constraintdef pg_get_expr pg_get_viewdef
        pg_has_role pg_is_other_temp_schema pg_my_temp_schema pg_opclass_is_visible
        pg_operator_is_visible pg_opfamily_is_visible pg_postmaster_start_time
        pg_table_is_visible pg_ts_config_is_visible pg_ts_dict_is_visible
        pg_ts_parser_is_visible pg_ts_template_is_visible pg_type_is_visible
        session_user setval shobj_description stats txid_current user vector_type
        version write_log""",
    "depends on the clock or on chance, or waits": """
        age ago current_date current_localtime current_localtimestamp gen_random_uuid
        get_current_time get_current_timestamp now pg_sleep random reservoir_quantile
        setseed sleep_ms today transaction_timestamp uuid uuidv4 uuidv7""",
    "raises on purpose": "assert_true error",
    "is for DuckDB's own use, or takes bytes for an inner state": """
        bitstring_byte_comparable can_cast_implicitly cast_to_type combine combine_aggr
        constant_or_null create_sort_key finalize get_type icu_sort_key
        json_copy_strftime_if_date json_copy_strftime_if_timestamp make_type
        remap_struct replace_type sum_no_overflow timetz_byte_comparable
        to_aggregate_state unpivot_list variant_bytes_to_variant variant_comparator
        variant_group_array variant_group_object variant_normalize
        variant_to_parquet_variant""",
}
PATTERNS = {
    "is for DuckDB's own use": "__.+",
    "is a collation, which COLLATE names": "(icu_)?collate_.+",
}
DENIED_TABLE_FUNCTIONS = {
    "reads the catalog, settings, logs, secrets or statistics": """
        checkpoint duckdb_approx_database_count duckdb_available_metrics duckdb_columns
        duckdb_connection_count duckdb_constraints duckdb_coordinate_systems
        duckdb_databases duckdb_dependencies duckdb_dialects duckdb_eviction_queues
        duckdb_extension_repositories duckdb_extensions duckdb_external_file_cache
        duckdb_external_resource_types duckdb_external_resources duckdb_functions
        duckdb_grammar_extensions duckdb_indexes duckdb_keywords
        duckdb_live_query_metrics duckdb_log_contexts duckdb_logs duckdb_logs_parsed
        duckdb_memory duckdb_optimizers duckdb_prepared_statements
        duckdb_profiling_settings duckdb_schemas duckdb_secret_type_parameters
        duckdb_secret_types duckdb_secrets duckdb_sequences duckdb_settings
        duckdb_table_sample duckdb_tables duckdb_temporary_files duckdb_triggers
        duckdb_types duckdb_variables duckdb_views force_checkpoint icu_calendar_names
        pg_timezone_names pragma_collations pragma_database_size pragma_metadata_info
        pragma_platform pragma_show pragma_storage_info pragma_table_info
        pragma_user_agent pragma_version summary truncate_duckdb_logs which_secret""",
    "reads files, or memory that an address names": """
        arrow_scan arrow_scan_dumb glob pandas_scan parquet_bloom_probe
        parquet_file_metadata parquet_full_metadata parquet_kv_metadata
        parquet_metadata parquet_page_index parquet_scan parquet_schema
        python_arrow_scan python_map_function read_blob read_csv read_csv_auto
        read_duckdb read_json read_json_auto read_json_objects read_json_objects_auto
        read_ndjson read_ndjson_auto read_ndjson_objects read_parquet
        read_single_csv_file read_single_json_file read_single_parquet_file read_text
        sniff_csv""",
    "runs SQL that is a text, or reads tables by a name that is one": """
        histogram histogram_values json_execute_serialized_sql query query_table
        seq_scan""",
    "changes something": """
        add_grammar_extension create_external_resource deregister_external_resource
        destroy_external_resource disable_logging disable_profiling enable_logging
        enable_profiling register_external_resource register_external_resource_type
        remove_grammar_extension""",
    "is for DuckDB's own tests": "test_all_types test_vector_types",
}


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as opened:
        yield opened


def names(listed: dict[str, str]) -> set[str]:
    return {name for text in listed.values() for name in text.split()}


def found(connection: duckdb.DuckDBPyConnection, *kinds: str) -> set[str]:
    """Return the functions of the installed DuckDB, in lower case."""
    rows = connection.execute(
        "SELECT DISTINCT lower(function_name) FROM duckdb_functions()"
        " WHERE list_contains($1, function_type)",
        [list(kinds)],
    )
    return {name for (name,) in rows.fetchall()}


def is_denied(name: str) -> bool:
    patterns = PATTERNS.values()
    return name in names(DENIED) or any(re.fullmatch(each, name) for each in patterns)


def test_every_function_is_allowed_or_denied(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    """An upgrade of DuckDB is looked at: decide for each name which list it is in."""
    there = found(connection, "scalar", "aggregate", "window", "macro")
    assert len(there) > 900
    unknown = {name for name in there - functions() if not is_denied(name)}
    assert sorted(unknown) == []
    there = found(connection, "table", "table_macro")
    decided = TABLE_FUNCTIONS | names(DENIED_TABLE_FUNCTIONS)
    assert sorted(there - decided) == []


def test_no_function_is_allowed_and_denied() -> None:
    assert sorted(name for name in functions() if is_denied(name)) == []
    assert TABLE_FUNCTIONS.isdisjoint(names(DENIED_TABLE_FUNCTIONS))


def test_what_is_allowed_exists(connection: duckdb.DuckDBPyConnection) -> None:
    there = found(connection, "scalar", "aggregate", "window", "macro")
    assert sorted(functions() - there) == ["unnest"]  # the binder's own
    assert sorted(TABLE_FUNCTIONS - found(connection, "table")) == []


def test_the_list_is_sorted_and_has_a_header() -> None:
    file = resources.files("dpquery.engines").joinpath("released_functions.txt")
    lines = file.read_text(encoding="utf-8").splitlines()
    header = [line for line in lines if line.startswith("# ")]
    assert lines[: len(header)] == header
    assert "duckdb_functions()" in "".join(header)
    listed = lines[len(header) :]
    assert listed == sorted(set(listed))
    assert set(listed) == functions()


def test_macros_call_what_may_be_called(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    """Or the clock might be read by a harmless name; some raise on bad arguments."""
    rows = connection.execute(
        "SELECT lower(function_name), macro_definition FROM duckdb_functions()"
        " WHERE function_type = 'macro'"
    ).fetchall()
    macros = [(name, body) for name, body in rows if name in functions()]
    assert len(macros) > 50
    for name, body in macros:
        (tree,) = statements(connection, f"SELECT {body}")
        calls = {
            node["function_name"].lower()
            for node, _ in walk(tree, frozenset())
            if node.get("class") in {"FUNCTION", "WINDOW"}
        }
        assert calls <= functions() | {"error"}, name


ARGUMENTS = {
    "ANY": "1",
    "ANY[]": "[1]",
    "BIGINT": "2::BIGINT",
    "BIT": "'101'::BIT",
    "BLOB": "'a'::BLOB",
    "BOOLEAN": "true",
    "DATE": "DATE '2020-02-29'",
    "DECIMAL": "1.5",
    "DOUBLE": "0.5::DOUBLE",
    "DOUBLE[]": "[0.5::DOUBLE]",
    "DOUBLE[ANY]": "array_value(0.5::DOUBLE)",
    "FLOAT": "0.5::FLOAT",
    "FLOAT[]": "[0.5::FLOAT]",
    "FLOAT[ANY]": "array_value(0.5::FLOAT)",
    "GEOMETRY": "'POINT (1 2)'::GEOMETRY",
    "HUGEINT": "2::HUGEINT",
    "INTEGER": "2",
    "INTERVAL": "INTERVAL 1 DAY",
    "JSON": "'{\"a\": [1]}'::JSON",
    "K": "1",
    "LAMBDA": "LAMBDA x: x",
    "MAP": "MAP {'a': 1}",
    "MAP(K, V)": "MAP {1: 2}",
    "SMALLINT": "2::SMALLINT",
    "STRUCT": "{'a': 1}",
    "T": "1",
    "T[]": "[1]",
    "TIME": "TIME '01:02:03'",
    "TIMESTAMP": "TIMESTAMP '2020-02-29 01:02:03'",
    "TIMESTAMP WITH TIME ZONE": "TIMESTAMPTZ '2020-02-29 01:02:03+00'",
    "TINYINT": "2::TINYINT",
    "UBIGINT": "2::UBIGINT",
    "UHUGEINT": "2::UHUGEINT",
    "UINTEGER": "2::UINTEGER",
    "UNION": "union_value(k := 1)",
    "USMALLINT": "2::USMALLINT",
    "UTINYINT": "2::UTINYINT",
    "UUID": "'00000000-0000-0000-0000-000000000001'::UUID",
    "VARCHAR": "'a'",
    "VARCHAR[]": "['a']",
    "VARIANT": "1::VARIANT",
}


def calls(connection: duckdb.DuckDBPyConnection, count: int) -> list[str]:
    """Return a call of every allowed scalar function with *count* arguments."""
    rows = connection.execute(
        "SELECT DISTINCT function_name, parameter_types FROM duckdb_functions()"
        " WHERE function_type = 'scalar' AND len(parameter_types) = $1"
        " ORDER BY ALL",
        [count],
    ).fetchall()
    return [
        f'"{name}"({", ".join(ARGUMENTS.get(kind, "NULL") for kind in kinds)})'
        for name, kinds in rows
        if name.lower() in functions()
    ]


@pytest.mark.parametrize("count", [0, 1, 2])
def test_no_allowed_function_ends_the_process(
    connection: duckdb.DuckDBPyConnection, count: int
) -> None:
    database = ReleasedDatabase()
    database.run({}, "SELECT 1", LIMITS)
    assert database._open is not None
    child = database._open.child
    answered = 0
    for call in calls(connection, count):
        try:
            database.run({}, f"SELECT {call}", LIMITS)
            answered += 1
        except EngineFailure:
            pass
        assert child.alive(), call
    database.close()
    assert answered >= {0: 3, 1: 300, 2: 300}[count]
