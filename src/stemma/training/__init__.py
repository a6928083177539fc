"""The fit of a network, told once for every framework. Read in this order:

settings.py   the sections `model` and `train`
base.py       the contract of every network
networks.py   the network that settings name, out of a project's table
inputs.py     what the numbers of an encoded row are, and how they are embedded
own.py        parts of a fit that are a project's own
fit.py        epochs, learning rate, early stopping, checkpoint
"""
