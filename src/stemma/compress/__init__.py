"""The stage `compress`: the graph of a fitted network, and what a method after training makes of it.

    making.py    the stage in one function; METHODS
    plain.py     the framework's own graph, proved equal to its network
    half.py      float16
    integers.py  int8_static, int8_dynamic: products of whole numbers
    layers.py    the products of a graph, and how each is kept
    record.py    compression.json: written, read and told

    made = making.compress(network, settings.compress, settings.export, validation, test)
    made.graph, made.record

What the graph gives is what `evaluate` judges, `export` joins to the encoder, and a bundle serves. A method takes
`Plain` and gives a graph of standard operators with the same input and output, of the same bytes in every process. To
add one: a function, a line in METHODS and its name in settings.py.
"""
