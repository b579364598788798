"""The embedded record of truth: what ran where, with what, what it measured, how it ended."""
