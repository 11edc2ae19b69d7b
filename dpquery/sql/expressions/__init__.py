"""Expressions of one row: trees of sqlglot in, typed plans out."""
