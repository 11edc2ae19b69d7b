"""Which SQL is answered."""
