"""From encoder and network to files that run elsewhere, each proved equal to the network on every test row.

onnx       encoder, network and head as one graph
optimise   constants folded, numbers halved
replay     a written file, run in a process of its own
parity     the difference between what it gives and what the network gives
"""
