"""One file per DVC stage: settings, prepare, train, compress, evaluate, export, package; `check` is a part of prepare.

Each file, its section of params.yaml and its entry in dvc.yaml share a name. A stage reads files, calls the packages
beside it and writes files; stages never import each other, DVC holds the graph. To add one: a file here with `main()`,
an entry in dvc.yaml and, if it has settings, a section in `settings.py`.
"""
