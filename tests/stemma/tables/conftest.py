"""Small tables, and the sections that describe them."""

from sections import real_file, section, small, table_file

__all__ = ["real_file", "section", "small", "table_file"]
