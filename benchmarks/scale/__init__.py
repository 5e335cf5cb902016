"""Cost at growing sizes, for docs/scale.md.

`sweeps` measures the same work at several sizes, `growth` fits the exponent of a cost, `page` has the tables.
"""
