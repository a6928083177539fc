"""A bundle behind HTTP and gRPC. It knows folders of bundles, `bundle` and what is below: no Git, no DVC, no framework.

In the order of a request:

    settings.py    what is served, where, within which limits: options and serve.yaml as one frozen object
    process.py     the process: ready when warm, drained at the end (sockets.py, tls.py, log.py)
    workers.py     several of them, and the one that keeps them (worker.py is one of the several; lines.py: their talk)
    scopes.py      what a token may ask
    app.py         the ASGI callable: a request in, its route, an answer or a refusal out
    access.py      tokens: which calls are answered (rates.py: how often; reread.py: files that change)
    wire.py        one connection: heads that never end are given up
    rpc.py         gRPC, where it is asked for: each call is a request to the same application
    routes.py      a route, a call and an answer, which protocols and pages are made of
    metrics.py     what is counted (status.py, openapi.py: what it says of itself)
    protocols/     PROTOCOLS, a module each: from a body to rows, from predictions to a body (OVER_GRPC: and messages)
    feedback.py    what came of requests
    shadow.py      copies of calls, for versions that answer nobody
    page.py        page.html at `/`, to try a model by hand
    models.py      models, their versions, and which of them is in service
    batch.py       small calls that arrive together run together, where that pays
    audit.py       the log of what admins did, in which no line can be changed unseen

and of a version:

    sources.py     folders of versions, and policies: which are wanted
    keeper.py      has what is new prepared, then switches; what fails never serves
    service.py     what one process serves
    load.py        a file or folder -> a bundle that is verified, warm, and gives what its sample says

    from stemma.serve.settings import ServeSettings
    from stemma.serve.process import run

    run(lambda: ServeSettings.of(models=["models/package/model.zip"]))
"""
