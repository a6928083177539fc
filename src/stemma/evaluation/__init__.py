"""How good predictions are. `stages/evaluate.py` calls these in turn:

    check.py                 what settings ask in vain, told before anything is trained
    calibration.py           the temperature of the scores
    threshold.py             the probability from which a row counts as positive
    decision.py              both of these together: from scores to decisions
    baselines.py             simple models on the same rows
    assessment.py            the model beside them: figures with bootstrap intervals, classes, slices
    fairness.py              how far rates are apart between groups
    probe.py                 raw rows, as they are and changed:
    importance.py            what is lost without a column
    robustness.py            and where rows are worse
    explanation.py           what each column adds to answers
    folds.py                 cross-validation
    gate.py                  what the figures must reach
    record.py                all of it as plain data
    results.py               evaluation.json and its kin, written and read
    predictions.py           every test row, predictions.parquet

The figures themselves are those of `stemma.metrics`; `stemma.report` shows them to people.
"""
