"""Export formats of your own: the table FORMATS. To add one: a file here that holds a `Format`, and a line."""

from stemma.entries import Entry

FORMATS: dict[str, Entry] = {}
