"""A small trainer in EasyRec's manner, which the loopback MaxCompute runs as a process of its own.

It shares no code with the rest of the package: it reads the config through protobuf, applies the
edits that arrive with the job in its own way, and speaks to OSS through its own few lines, so that
a fault of ours is not hidden by the same fault on this side.
"""
