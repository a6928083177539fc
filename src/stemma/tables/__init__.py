"""From a table to arrays for a network. Nothing here knows a framework.

Read in this order:

    settings.py   the sections `data` and `prepare`
    columns.py    which column plays which role, by name or pattern
    files.py      text in any dialect, or Parquet, opened as Arrow takes it
    texts.py      texts as numbers and dates
    load.py       any source -> one canonical table
    select.py     rows that are kept, classes that are merged
    validate.py   refuses a table that cannot be learned from, with every reason at once
    split.py      rows of train, validation and test, and of folds
    hints.py      what looks wrong with a table that can be learned from
    check.py      all of these five
    encode/       fits the encoder, keeps it as ONNX and runs it
    drift.py      how far two parts of a table are apart; distance.py: two profiles
    statistics.py what is known of a table and its splits
    profile.py    reads that back: profile.json
    prepared.py   a checked table -> data/prepared
    arrays.py     data/prepared -> arrays for training and evaluation

A first call:

    found = check.check(settings, SOURCES, strict=False)
    found.table.iloc[found.splits["train"]]

SOURCES is the project's table of where rows come from; a file needs no code (`stemma describe` writes its settings).
"""
