"""How good predictions are. `stages/evaluate.py` calls these in turn:

    metrics.py, ranking.py   figures of weighted rows
    calibration.py           the temperature of the scores
    threshold.py             the probability from which a row counts as positive
    decision.py              both of these together: from scores to decisions
    intervals.py             bootstrap intervals
    baselines.py             simple models on the same rows
    assessment.py            the model beside them: figures, classes, slices
    slices.py                the test rows by the values of a column
    folds.py, parallel.py    cross-validation
    gate.py                  what the figures must reach
    curves.py, charts.py     points to plot, and their pictures
    record.py                all of it as plain data, evaluation.json
    report.py, words.py      the same for people
    document.py              its Markdown and its HTML

A metric of your own is a line in `figures` of its task in metrics.py, and one in words.py for its meaning.
"""
