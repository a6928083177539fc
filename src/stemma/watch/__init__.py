"""What is known of a model in service, from its request log alone: no server is needed.

log.py         the requests: format, writer, reader
outcomes.py    what came of them, days later too, joined by the requests' ids

writer = log.Writer(Path("requests"), log.Options(columns={"email": "hash"}, key=secret))
writer.add(log.Source("model@v1.2.0", bundle.files["signature.json"]), log.Request(...))
"""
