"""Accuracy at equal (ε, δ) and equal data: dpquery beside its peers."""
