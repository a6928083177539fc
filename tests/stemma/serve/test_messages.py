"""The messages of gRPC that are committed, made anew."""

from pathlib import Path

import pytest

from stemma.serve.protocols import messages

FOLDER = Path(messages.__file__).parent


@pytest.mark.parametrize("name", ["open_inference", "tensorflow"])
def test_messages_are_what_their_protocol_file_says(name: str, tmp_path: Path) -> None:
    protoc = pytest.importorskip("grpc_tools.protoc", reason="grpcio-tools is not installed: CONTRIBUTING.md")
    source, included = FOLDER.parents[3], Path(protoc.__file__).parent / "_proto"
    words = ["protoc", f"-I{source}", f"-I{included}", f"--python_out={tmp_path}", str(FOLDER / f"{name}.proto")]
    assert protoc.main(words) == 0
    (made,) = tmp_path.rglob("*.py")
    assert made.read_text() == (FOLDER / f"{name}_pb2.py").read_text()
