"""Stopping rules: pure functions of histories, each verdict with its reason."""
