"""Simple models of your own, beside the network: the table BASELINES. To add one: a file here, and a line."""

from stemma.entries import Entry

BASELINES: dict[str, Entry] = {}
