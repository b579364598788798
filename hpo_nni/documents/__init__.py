"""Configs as text with a tree of spans over it: parse, select by key path, edit losslessly."""
