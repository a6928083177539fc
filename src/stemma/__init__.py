"""The toolkit that reads model versions from Git and DVC.

Reading order:

- `errors`   what can go wrong, one family
- `conf`     conf/ <-> params.yaml: sync, check, adopt, and the guard of `dvc repro`
- `task`     two classes, several classes or a value: one object that says all that follows from it
- `metrics`  figures of predictions, their intervals, and tests of a difference
- `weights`  the weights store: one file per tensor, an index that can be compared
- `versions` what a version is, how it differs, which is better, what is wrong with it
- `export`   encoder and network as one ONNX graph
- `bundle`   the packaged model: build, verify, open, predict
- `cli`      `stemma ...`

A first call:

    from stemma import weights
    weights.index("models/weights").tensors

    from stemma import versions
    versions.diff(".", "HEAD~1", "HEAD").distance
"""
