"""Answers for people: numbers in text, charts, and pages that need nothing else."""
