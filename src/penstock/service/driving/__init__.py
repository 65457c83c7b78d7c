"""The engine: its loop, its workers, one driver per state, who waits for it and who stops it."""
