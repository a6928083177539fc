"""What is known of a model in service, from its request log alone: no server is needed.

log.py         the requests: format, writer, reader
outcomes.py    what came of them, days later too, joined by the requests' ids
answers.py     both, by version
ab.py          which of two versions did better (sequential.py: intervals that may be looked at every day)
drift.py       inputs, predictions and figures beside those of training (tests.py: what is certain; evidence.py: which
               rows make it, and whether it matters; windows.py: a log window by window; shown.py: its tables;
               columns.py: profiles of columns, here and in training)
expected.py    figures without outcomes, from probabilities alone
guard.py       whether a young version is to be taken back
webhook.py     another server is told
retrain.py     what came, as a table to train on
check.py       whether what is served is what was trained
report.py      a page of all of it

writer = log.Writer(Path("requests"), log.Options(columns={"email": "hash"}, key=secret))
writer.add(log.Source("model@v1.2.0", bundle.files["signature.json"]), log.Request(...))
"""
