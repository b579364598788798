"""Experiments drafted from what people have: a command and a config. Nothing is written here."""
