"""From a table to arrays for a network. Nothing here knows a framework.

Read in this order:

    simulate.py   draws sessions of shop visitors, any number of them
    bundled.py    tables that come with scikit-learn
    columns.py    which column plays which role, by name or pattern
    load.py       any source -> one canonical table
    validate.py   refuses a table that cannot be learned from, with every reason at once
    split.py      rows of train, validation and test
    encode.py     fits the encoder, keeps it as ONNX and runs it
    statistics.py what is known of a table and its splits
    profile.py    reads that back: profile.json
    arrays.py     data/prepared -> arrays for training and evaluation

A first call:

    table = load.table(settings)
    validate.check(table, settings)

A data set of your own: copy conf/data/csv.yaml, name its file, target and columns. Code is needed only for a table that
comes from neither a file nor a library: a function like `bundled.table`, its line in `READERS` of load.py, and its
kind of settings in config.py.
"""
