"""Plans into SQL for the engine: total on every row, integers only."""
