"""Text to one query that was checked."""
