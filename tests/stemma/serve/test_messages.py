"""The messages of gRPC that are committed, made anew."""

from pathlib import Path

import pytest

from stemma.serve.protocols import messages


def test_messages_are_what_their_protocol_files_say(tmp_path: Path) -> None:
    protoc = pytest.importorskip("grpc_tools.protoc", reason="grpcio-tools is not installed: CONTRIBUTING.md")
    folder, included, made = Path(messages.__file__).parent, Path(protoc.__file__).parent / "_proto", tmp_path / "made"
    words = ["protoc", f"-I{folder.parents[3]}", f"-I{included}", f"--descriptor_set_out={made}"]
    assert protoc.main([*words, *map(str, sorted(folder.glob("*.proto")))]) == 0
    assert made.read_bytes() == (folder / "messages.binpb").read_bytes()
