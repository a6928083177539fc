"""The project: what its owner edits. All else is the toolkit's, `stemma`.

Reading order:

- `settings`    the sections of params.yaml, put together
- `sources`     where rows come from in code; a table in a file needs none
- `networks`    architectures and nothing else, one folder per framework
- `stages`      prepare, train, compress, evaluate, export, package: one file per DVC stage
- `extensions`  what is yours alone: metrics, losses, baselines, checks, export formats

A first call:

    from purchase_intent import settings
    settings.load("params.yaml").train.learning_rate
"""
