"""The messages of gRPC: *.proto say the fields that are read or given, CONTRIBUTING.md how messages.binpb is made.

Their packages have names of our own, which no byte on the wire holds: a process may know those of a client beside.
"""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from google.protobuf import any_pb2, wrappers_pb2  # noqa: F401 - that the files import
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import Default
from google.protobuf.message_factory import GetMessageClass


def _named(known: Any) -> Any:
    """The messages of a file, and the values of its enumerations, by their names."""
    file = Default().AddSerializedFile(known.SerializeToString())
    values = {value.name: value.number for each in file.enum_types_by_name.values() for value in each.values}
    messages = {name: GetMessageClass(each) for name, each in file.message_types_by_name.items()}
    return SimpleNamespace(**messages, **values)


_FILES = FileDescriptorSet.FromString(Path(__file__).with_name("messages.binpb").read_bytes()).file
open_inference_pb2: Any = _named(_FILES[0])
tensorflow_pb2: Any = _named(_FILES[1])
