"""What people read about several experiments: their differences, a project's days. Writes none."""
