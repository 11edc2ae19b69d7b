"""Statements into plans: rows below the boundary, answers above it."""
