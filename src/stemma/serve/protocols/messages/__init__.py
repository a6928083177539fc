"""The messages of gRPC: *.proto say the fields that are read or given, CONTRIBUTING.md how *_pb2.py are made of them.

Their packages have names of our own, which no byte on the wire holds: a process may know those of a client beside.
"""
