"""What the analyst asked, as pure values: no SQL text, no drivers, no budgets."""
