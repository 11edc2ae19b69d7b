"""Arithmetic of privacy loss: pure, exact, no I/O."""
