"""From a table to arrays for a network. Nothing here knows a framework.

Read in this order:

    simulate.py   draws sessions of shop visitors, any number of them
    bundled.py    tables that come with scikit-learn
    columns.py    which column plays which role, by name or pattern
    describe/     a file -> conf/data/NAME.yaml, for a person to correct
    files.py      text in any dialect, or Parquet, opened as Arrow takes it
    texts.py      texts as numbers and dates
    load.py       any source -> one canonical table
    validate.py   refuses a table that cannot be learned from, with every reason at once
    split.py      rows of train, validation and test, and of folds
    hints.py      what looks wrong with a table that can be learned from
    check.py      all of these four, as a command too
    encode/       fits the encoder, keeps it as ONNX and runs it
    statistics.py what is known of a table and its splits
    profile.py    reads that back: profile.json
    report.py     shows it to a person: reports/data.md
    arrays.py     data/prepared -> arrays for training and evaluation

A first call:

    found = check.check(settings, strict=False)
    found.table.iloc[found.splits["train"]]

A data set of your own: `python -m purchase_intent.data.describe FILE --target COLUMN --name NAME`.
Code is needed only for a table that comes from neither a file nor a library: a function like `bundled.table`, its line
in `READERS` of load.py, and its kind of settings in config.py.
"""
