"""Small tables, the sections that describe them, and settings of evaluate."""

from predicted import make
from sections import real_file, section, small, table_file

__all__ = ["make", "real_file", "section", "small", "table_file"]
