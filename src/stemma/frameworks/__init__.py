"""All that knows one framework, a folder each: networks, their embedding, their export formats.

Whoever imports from a folder says by that which framework is used; the other one stays out of memory.
"""
