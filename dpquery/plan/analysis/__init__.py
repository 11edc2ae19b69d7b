"""Facts about a plan, each computed in one place."""
