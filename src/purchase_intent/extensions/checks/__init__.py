"""Checks of your own for `stemma doctor`: the table CHECKS. To add one: a file here, and a line."""

from stemma.entries import Entry

CHECKS: dict[str, Entry] = {}
