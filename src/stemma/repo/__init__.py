"""Git and DVC: the only room that knows how they keep things.

    repository = Repository(".")
    repository.version("model@v1.2.0").index.tensors    # facts, no tensor read

Reading order:

- `repository`  a repository, its revisions, and the parts of a version
- `registry`    registered versions and assigned stages: Git tags
- `lockfile`    what dvc.lock says; `objects` DVC's objects by their hash; `git` how Git is asked
- `inventory`   the objects that versions are made of
- `places`      where objects lie: a folder or a bucket; `stores` which: the cache, a remote, any by its URL
- `mixed`       what in dvc.lock does not fit together; `edited` what in a version does not fit its dvc.lock
- `outputs`     what DVC keeps for a commit and in the work tree, by DVC's own view of it; `composition` its settings
- `trouble`     what a place's refusal means, in one line
- `trust`       what a repository may do on this machine; `allowed` its settings that count
- `extent`      which files are the project's, where several are in one Git repository; `clone` what a clone lacks
- `locks`       DVC's, the registry's, that of Git's index
- `journal`     how far a rollback came
"""
