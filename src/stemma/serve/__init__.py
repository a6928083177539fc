"""A bundle behind HTTP. It knows folders of bundles, `bundle` and what lies below it: no Git, no DVC, no framework.

In the order of a request:

    settings.py    what is served, where, within which limits: options and serve.yaml as one frozen object
    process.py     the process: its socket, its signals, ready when warm, drained at the end
    app.py         the ASGI callable: a request in, its route, an answer or a refusal out
    access.py      tokens: which calls are answered
    routes.py      a route, a call and an answer, which protocols and pages are made of
    protocols/     PROTOCOLS, a module each: from a body to rows, from predictions to a body
    page.py        page.html at `/`, to try a model by hand
    models.py      models, their versions, and which of them is in service
    audit.py       the log of what admins did, in which no line can be changed unseen
    load.py        a file or folder -> a version that is verified, warm, and gives what its sample says

    from stemma.serve.settings import ServeSettings
    from stemma.serve.process import run

    run(ServeSettings.of(models=["models/package/model.zip"]))
"""
