"""SQL in, SQL out: the only importer of sqlglot."""
