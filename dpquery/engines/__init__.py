"""Where exact numbers live: one room for drivers, opened by the kernel only."""
