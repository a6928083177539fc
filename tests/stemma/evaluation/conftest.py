"""Settings and small tables for these tests."""

from predicted import make

__all__ = ["make"]
