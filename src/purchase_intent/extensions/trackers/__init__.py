"""Trackers of your own: the table TRACKERS. To add one: a file here that holds a `Tracker`, and a line."""

from stemma.entries import Entry

TRACKERS: dict[str, Entry] = {}
