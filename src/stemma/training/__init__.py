"""The fit of a network, told once for every framework. Read in this order:

settings.py   the sections `model` and `train`
base.py       the contracts of a network, which is kept, and of a session, which fits it
networks.py   the network that settings name, out of a project's table
inputs.py     what the numbers of an encoded row are, and how they are embedded
own.py        parts of a fit that are a project's own
objective.py  what a fit brings down: rows.py (rows, targets), shrink.py (weights), narrow.py (units)
fit.py        epochs, learning rate, early stopping
progress.py   how far a fit has come, and its checkpoint
origin.py     the tensors that a fit starts from
watch.py      what a person sees of a fit
record.py     how a network came to be, training.json
exported.py   what a framework's export formats are made from
"""
