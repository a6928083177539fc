"""gRPC beside HTTP: what holds there holds here."""

import contextlib
import json
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.message import Message
from hypothesis import given, settings
from hypothesis import strategies as st

from certificates import Authority
from serving import Server, ask, call, over_grpc, refusing, served
from stemma.serve import access, protocols
from stemma.serve.models import Models
from stemma.serve.process import app_of
from stemma.serve.protocols.messages import open_inference_pb2 as messages
from stemma.serve.protocols.open_inference_rpc import RPCS
from stemma.serve.settings import ServeSettings
from stemma.serve.sockets import is_local, reserved, reserved_for_grpc
from timing import HANGS, until

SERVICE = "/inference.GRPCInferenceService"
INFER = f"{SERVICE}/ModelInfer"
CODES = grpc.StatusCode
Asked, Contents = messages.ModelInferRequest, messages.Contents


def rows(count: int = 1, name: str = "regression", **more: Any) -> Asked:
    contents = {
        "Month": ("BYTES", Contents(bytes_contents=[b"May"] * count)),
        "PageValues": ("FP32", Contents(fp32_contents=[1] * count)),
        "Weekend": ("BOOL", Contents(bool_contents=[True] * count)),
    }
    inputs = [Asked.Input(name=key, datatype=kind, shape=[count], contents=it) for key, (kind, it) in contents.items()]
    return Asked(model_name=name, inputs=inputs, **more)


def refused(
    channel: grpc.Channel, message: Message, method: str = INFER, **metadata: str
) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.RpcError) as caught:
        call(channel, method, message, messages.ModelInferResponse, **metadata)
    return caught.value.code(), caught.value.details()


@contextlib.contextmanager
def serving(models: Models, **options: Any) -> Iterator[grpc.Channel]:
    known = ServeSettings.of(**options)
    with over_grpc(app_of(known, lambda: models), known) as channel:
        yield channel


def test_every_answer_names_its_version_and_counts(models: Models) -> None:
    app = app_of(ServeSettings.of(), lambda: models)
    with over_grpc(app, ServeSettings.of()) as channel:
        _, done = channel.unary_unary(INFER).with_call(rows(3).SerializeToString(), timeout=HANGS)
        told = dict(done.initial_metadata())
        assert (told["x-model"], told["x-model-version"]) == ("regression", "1")
        assert refused(channel, rows(name="nobody"))[0] == CODES.NOT_FOUND
    text = ask(app, "GET", "/metrics").body.decode()
    assert 'stemma_rows_total{model="regression",version="1"} 3.0' in text
    for status in (200, 404):
        assert f'stemma_requests_total{{route="/v2/models/{{model}}/infer",status="{status}"}} 1.0' in text


def test_a_token_and_its_scope_are_asked_for_before_a_message_is_judged(models: Models, tmp_path: Path) -> None:
    file = tmp_path / "tokens.yaml"
    predict = access.add(file, "shop", ["predict"])
    wrong = rows(raw_input_contents=[b""])
    with serving(models, tokens=str(file), admin=True) as channel:
        assert refused(channel, wrong)[0] == CODES.UNAUTHENTICATED
        assert refused(channel, rows(), authorization="Bearer other")[0] == CODES.UNAUTHENTICATED
        assert refused(channel, wrong, authorization=f"Bearer {predict}")[0] == CODES.INVALID_ARGUMENT
        call(channel, INFER, rows(), messages.ModelInferResponse, authorization=f"Bearer {predict}")
        load = (messages.RepositoryModelRequest(model_name="binary"), f"{SERVICE}/RepositoryModelLoad")
        assert refused(channel, *load, authorization=f"Bearer {predict}")[0] == CODES.PERMISSION_DENIED
        assert call(channel, f"{SERVICE}/ServerLive", messages.Nothing(), messages.ServerLiveResponse).live


def test_what_is_too_much_is_refused(models: Models) -> None:
    with serving(models, limits={"rows": 10, "body": 0.01}) as channel:
        code, told = refused(channel, rows(11))
        assert code == CODES.INVALID_ARGUMENT and "more than 10 rows" in told
        assert refused(channel, rows(5000))[0] == CODES.RESOURCE_EXHAUSTED


def test_a_message_counts_among_the_bytes_that_are_held_beside_what_is_made_of_it(models: Models) -> None:
    message, infer = rows(100), next(each for each in RPCS if each.name == INFER)
    both = len(message.SerializeToString()) + len(infer.body(message)[1])
    with serving(models, limits={"bodies": (both - 1) / 1e6}) as channel:
        assert refused(channel, message) == (CODES.UNAVAILABLE, "too many bytes of bodies at once")
    with serving(models, limits={"bodies": (both + 1) / 1e6}) as channel:
        for _ in range(2):  # what was answered is not held
            call(channel, INFER, message, messages.ModelInferResponse)


def test_limits_beyond_those_of_grpc_are_taken(models: Models) -> None:
    with serving(models, limits={"body": 4000, "concurrency": 10**11, "seconds": 1e8}) as channel:
        assert call(channel, INFER, rows(3), messages.ModelInferResponse).model_version == "1"


@pytest.mark.parametrize("algorithm", [grpc.Compression.Gzip, grpc.Compression.Deflate])
def test_a_packed_message_is_not_unpacked(channel: grpc.Channel, algorithm: grpc.Compression) -> None:
    with refusing(CODES.UNIMPLEMENTED):
        channel.unary_unary(INFER)(bytes(10**6), compression=algorithm, timeout=HANGS)


def test_a_message_that_does_not_arrive_is_given_up(models: Models) -> None:
    def never() -> Iterator[bytes]:
        end.wait(HANGS)
        yield b""

    end = threading.Event()
    with serving(models, limits={"seconds": 0.1}) as channel:
        grpc.channel_ready_future(channel).result(HANGS)  # a machine may be too busy to connect in that time
        with pytest.raises(grpc.RpcError) as caught:
            channel.stream_unary(INFER)(never(), timeout=HANGS)
    end.set()
    assert caught.value.code() == CODES.DEADLINE_EXCEEDED and "did not arrive" in caught.value.details()


def test_bytes_that_are_no_message_or_a_method_that_is_none_are_told(channel: grpc.Channel) -> None:
    for content, method, code in (
        (b"\xff\xff", INFER, CODES.INVALID_ARGUMENT), (b"\n\x05ab", INFER, CODES.INVALID_ARGUMENT),
        (b"", f"{SERVICE}/ModelConfig", CODES.UNIMPLEMENTED), (b"", "/other.Service/Infer", CODES.UNIMPLEMENTED),
    ):  # fmt: skip
        with refusing(code):
            channel.unary_unary(method)(content, timeout=HANGS)


def test_metadata_that_speaks_of_a_body_is_not_listened_to(channel: grpc.Channel) -> None:
    for name in ("content_length", "content_encoding", "inference_header_content_length"):
        reply = call(channel, INFER, rows(), messages.ModelInferResponse, **{name: "7"})
        assert list(reply.outputs[0].contents.fp32_contents) == [3.0]


def test_what_a_proxy_puts_before_paths_changes_no_call(models: Models) -> None:
    with serving(models, root_path="/v2") as channel:
        assert call(channel, INFER, rows(), messages.ModelInferResponse).model_version == "1"


def test_a_fault_of_ours_is_told_in_the_log_alone(models: Models, capfd: pytest.CaptureFixture[str]) -> None:
    def broken() -> Models:
        raise ZeroDivisionError("secret")

    with over_grpc(app_of(ServeSettings.of(), broken), ServeSettings.of()) as channel:
        code, told = refused(channel, rows())
    assert code == CODES.INTERNAL and "secret" not in told and "ZeroDivisionError: secret" in capfd.readouterr().err


def test_a_large_message_is_answered_beside_the_event_loop(channel: grpc.Channel) -> None:
    reply = call(channel, INFER, rows(20_000), messages.ModelInferResponse)
    assert list(reply.outputs[0].contents.fp32_contents) == [3.0] * 20_000


METHODS = [each.name for each in protocols.rpcs() if "RepositoryModel" not in each.name]
SEEDS = [rows().SerializeToString(), rows(2, raw_input_contents=[b"\3\0\0\0May"] * 3).SerializeToString()]


@given(st.sampled_from(METHODS), st.sampled_from(SEEDS), st.data())
@settings(max_examples=300)
def test_no_bytes_are_a_fault_of_the_server(
    channel: grpc.Channel, method: str, seed: bytes, data: st.DataObject
) -> None:
    place = data.draw(st.integers(0, len(seed)))
    content = seed[:place] + data.draw(st.binary(max_size=4)) + seed[place + data.draw(st.integers(0, 4)) :]
    try:
        channel.unary_unary(method)(content, timeout=HANGS)
    except grpc.RpcError as error:
        assert error.code() in (CODES.INVALID_ARGUMENT, CODES.NOT_FOUND), (error.code(), error.details())


def test_tls_is_that_of_http_and_an_order_is_written_down_with_whom_the_certificate_names(
    models: Models, tmp_path: Path
) -> None:
    async def control(*order: str) -> None: ...

    def trusting(place: str) -> grpc.Channel:
        return grpc.secure_channel(place, by(anne))

    def by(pair: tuple[Path, Path] | None) -> grpc.ChannelCredentials:
        cert, key = (None, None) if pair is None else (each.read_bytes() for each in pair)
        return grpc.ssl_channel_credentials(authority.file.read_bytes(), key, cert)

    def live(channel: grpc.Channel) -> bool:
        return call(channel, f"{SERVICE}/ServerLive", messages.Nothing(), messages.ServerLiveResponse).live

    authority, clients = Authority(tmp_path), Authority(tmp_path, "clients")
    (cert, key), anne = authority.sign("localhost"), clients.sign("anne")
    tls = {"cert": str(cert), "key": str(key), "clients": str(clients.file)}
    known = ServeSettings.of(tls=tls, admin=True, audit=str(tmp_path / "audit.jsonl"))
    load = f"{SERVICE}/RepositoryModelLoad", messages.RepositoryModelRequest(model_name="binary"), messages.Nothing
    with over_grpc(app_of(known, lambda: models, control), known, trusting) as channel:
        call(channel, *load)
        place = channel._channel.target().decode()  # type: ignore[attr-defined]
        strangers = (by(None), by(Authority(tmp_path, "strangers").sign("bob")))
        for other in (grpc.insecure_channel(place), *(grpc.secure_channel(place, each) for each in strangers)):
            with other, pytest.raises(grpc.RpcError, match="UNAVAILABLE"):
                live(other)
        cert.write_text("half of a certificate")
        with trusting(place) as other:
            assert live(other)
        authority = Authority(tmp_path)
        authority.sign("localhost")
        with trusting(place) as other:
            assert live(other)
    line = json.loads((tmp_path / "audit.jsonl").read_text())
    assert (line["action"], line["certificate"]) == ("/v2/repository/models/binary/load", "anne")


def test_an_address_that_is_taken_is_one_line_and_loads_nothing(tmp_path: Path, run) -> None:
    with reserved_for_grpc(ServeSettings.of(grpc_port=0)) as taken, reserved(ServeSettings.of(port=0)):
        code, _, err = run(tmp_path, "serve", "none.zip", "--port", "0", "--grpc-port", str(taken.grpc_port))
    assert code == 1 and err.count("\n") == 1 and f"127.0.0.1:{taken.grpc_port} cannot be listened at" in err


def test_without_the_extra_the_line_says_how_to_install_it(tmp_path: Path, run, monkeypatch) -> None:
    for name in ("rpc", "protocols.tensorflow_rpc", "protocols.open_inference_rpc"):
        monkeypatch.delitem(sys.modules, f"stemma.serve.{name}", raising=False)
    monkeypatch.setitem(sys.modules, "grpc", None)
    code, _, err = run(tmp_path, "serve", "--port", "0", "--grpc-port", "0")
    assert code == 1 and 'grpc is not installed: run `pip install -c requirements.lock -e ".[grpc]"`' in err


def test_a_socket_of_http_in_a_file_does_not_make_grpc_local() -> None:
    assert is_local(ServeSettings.of(socket="s", host="0.0.0.0"))  # noqa: S104 - nobody listens
    assert not is_local(ServeSettings.of(socket="s", host="0.0.0.0", grpc_port=0))  # noqa: S104


# Of a process.


def channel_to(server: Server) -> grpc.Channel:
    return grpc.insecure_channel(server.grpc)


def publish(folder: Path, number: int, content: Path) -> None:
    (folder / ".partial").mkdir(parents=True)
    (folder / ".partial/model.zip").hardlink_to(content)
    (folder / ".partial").rename(folder / str(number))


@pytest.mark.slow
def test_switches_of_two_workers_fail_no_call_and_sigterm_answers_what_was_taken(
    bundles: dict[str, Path], tmp_path: Path
) -> None:
    folder, stop, versions = tmp_path / "shop", threading.Event(), []

    def keep_asking() -> None:
        while not stop.is_set():
            with channel_to(server) as channel:  # each may reach another worker
                for _ in range(20):
                    versions.append(call(channel, INFER, rows(name="shop"), messages.ModelInferResponse).model_version)

    publish(folder, 1, bundles["regression"])
    options = ("--workers", "2", "--poll", "0.05", "--grpc-port", "0")
    with served(folder, *options, cold=True) as server, ThreadPoolExecutor(2) as pool:
        asking = [pool.submit(keep_asking) for _ in range(2)]
        for number in (2, 3):
            publish(folder, number, bundles["regression"])
            until(lambda: str(number) in versions[-1:])  # noqa: B023
        stop.set()
        assert [each.result() for each in asking] == [None, None] and set(versions) == {"1", "2", "3"}
        with channel_to(server) as channel:
            call(channel, INFER, rows(name="shop"), messages.ModelInferResponse)
            large = channel.unary_unary(INFER).future(rows(90_000, "shop").SerializeToString(), timeout=HANGS)
            call(channel, INFER, rows(name="shop"), messages.ModelInferResponse)  # behind it, on the same connection
            assert server.stop() == 0
            reply = messages.ModelInferResponse.FromString(large.result())
            assert len(reply.outputs[0].contents.fp32_contents) == 90_000
        with channel_to(server) as channel:
            assert refused(channel, rows(name="shop"))[0] == CODES.UNAVAILABLE
