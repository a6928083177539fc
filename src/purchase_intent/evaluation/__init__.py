"""How good predictions are. `stages/evaluate.py` calls these in turn:

    calibration.py           the temperature of the scores
    threshold.py             the probability from which a row counts as positive
    decision.py              both of these together: from scores to decisions
    baselines.py             simple models on the same rows
    assessment.py            the model beside them: figures with bootstrap intervals, classes, slices
    folds.py, parallel.py    cross-validation
    gate.py                  what the figures must reach
    curves.py, charts.py     points to plot, and their pictures
    record.py                all of it as plain data, evaluation.json
    report.py                the same for people
    document.py              its Markdown and its HTML

The figures themselves are those of `stemma.metrics`.
"""
