"""From event files, logs and tables to metric points, and from points to a score."""
