"""The project: from a table to a packaged network.

Reading order:

- `config`   the settings, one frozen section per section of params.yaml
- `stages`   prepare, train, evaluate, export, package: one file per DVC stage, each told in a few lines
- `data`     a table: simulated or read, described, checked, split, encoded
- `models`   the contract, the table MODELS, and one folder per framework
- `evaluation`  how good it is: figures, intervals, baselines, folds, gate, report

A first call:

    from purchase_intent import config
    config.load("params.yaml").train.learning_rate
"""
