"""Shipped test support: contract suites for each seam."""
