"""Search spaces: NNI's types, validated, with a unit-cube view."""
