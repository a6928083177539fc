"""Import the libraries once, then fork for each request of a client: `server.py SOCKET`. Ends when its input ends.

The child is what a new process of Python would be: its own folder, environment, standard streams, `sys.argv` and
`sys.path`, and the project's code imported from there. It differs in what was imported before: libraries alone.
"""

import ast
import atexit
import contextlib
import fcntl
import functools
import gc
import importlib
import multiprocessing
import os
import runpy
import selectors
import signal
import socket
import sys
import threading
import traceback
import weakref
from pathlib import Path
from typing import Any

# What most children import, as a log of theirs told. Of ours nothing: that is each one's own.
EVERYWHERE = """
    antlr4.LL1Analyzer configobj dulwich.porcelain dulwich.worktree dvc.cachemgr dvc.data_cloud dvc.dirs dvc.repo
    dvc.repo.artifacts dvc.repo.datasets dvc.repo.index dvc.repo.plots dvc.repo.stage dvc.utils.hydra
    dvc.utils.strictyaml dvc_data.hashfile.db.local dvc_data.index dvclive hydra
    hydra._internal.core_plugins.bash_completion hydra._internal.core_plugins.basic_launcher
    hydra._internal.core_plugins.basic_sweeper hydra._internal.core_plugins.file_config_source
    hydra._internal.core_plugins.fish_completion hydra._internal.core_plugins.importlib_resources_config_source
    hydra._internal.core_plugins.structured_config_source hydra._internal.core_plugins.zsh_completion networkx numpy
    omegaconf._impl onnxruntime pandas pyarrow.parquet pydantic.type_adapter pyparsing rich.status rich.table
    ruamel.yaml.mergevalue s3fs safetensors.numpy scipy.stats typer._click.decorators typer.rich_utils
"""
TOOLS = """
    celery.app.amqp celery.app.control celery.bin.celery celery.worker.consumer.delayed_delivery cookiecutter.cli
    cookiecutter.main cruft._cli dulwich.gc dulwich.line_ending dulwich.stash dvc._debug dvc.cli dvc.cli.parser
    dvc.render.match dvc.repo.brancher dvc.repo.experiments dvc.repo.experiments.queue.celery
    dvc.repo.experiments.queue.workspace dvc.repo.experiments.run dvc.repo.experiments.show dvc.repo.graph
    dvc.repo.open_repo dvc.repo.reproduce dvc.repo.trie dvc_data.hashfile._progress dvc_data.hashfile.status
    dvc_data.index.push dvc_task.proc.tasks dvc_task.worker fsspec.implementations.memory gto.cli
    hypothesis.strategies onnx pydantic pytest scmrepo.git.backend.pygit2.filter xdist.remote
"""
STAGES = """
    dvc.api encodings.cp437 hypothesis.strategies keras matplotlib.backends.backend_svg matplotlib.figure
    model_signing onnx onnxscript onnxscript._framework_apis.torch_2_11 onnxscript.function_libs.torch_lib.ops
    pandas.core.arrays.arrow.extension_types pandera.accessors.pandas_accessor pandera.api.geopandas
    pandera.backends.pandas.builtin_hypotheses pandera.backends.pandas.register pandera.pandas
    pandera.strategies.pandas_strategies pyarrow.csv pyarrow.dataset pytest sklearn.calibration sklearn.datasets
    sklearn.ensemble sklearn.frozen sklearn.linear_model sklearn.metrics sklearn.model_selection sympy.tensor.tensor
    tensorflow tf2onnx.convert torch torch._dynamo torch._export torch._export.passes.replace_autocast_with_hop_pass
    torch._functorch.aot_autograd torch._inductor.decomposition torch._inductor.fx_passes.dedupe_symint_uses
    torch.export torch.export._patches torch.export._trace torch.fx.experimental.proxy_tensor
    torch.onnx._internal.exporter._core torch.onnx._internal.exporter._torchlib.ops torch.profiler xdist.remote
"""
LIBRARIES = {
    "tools": (*EVERYWHERE.split(), *TOOLS.split()),
    "stages": ("triton", *EVERYWHERE.split(), *STAGES.split()),  # PyTorch's, with CUDA: after TensorFlow it ends all
}
# Libraries read these when they are imported, Python when it starts.
READ_AT_START = ("PYTHON", "LC_", "LANG", "OMP_", "MKL_", "KMP_", "OPENBLAS_", "NPY_", "ATEN_", "ONEDNN_", "DNNL_",
                 "TF_", "TORCH", "KERAS_", "CUDA_", "LD_", "MALLOC_", "STEMMA_COLD")  # fmt: skip
WORKER = ["-u", "-c"]  # of pytest-xdist
SPAWNED = "--multiprocessing-fork"
HEAD = 10  # bytes: the length of a request
STREAMS = 64  # at most
HANDED_ON = ("PYTHONPATH", "PYTHONDONTWRITEBYTECODE")
# The libraries and our trainers set these themselves; a test's process that has imported them hands them on.
SET_BY_LIBRARIES = ("KERAS_BACKEND", "KMP_DUPLICATE_LIB_OK", "KMP_INIT_AT_FORK", "TF2_BEHAVIOR", "TF_CPP_MIN_LOG_LEVEL",
                    "TORCHINDUCTOR_CACHE_DIR")  # fmt: skip
STARTED_WITH = dict(os.environ)


def main() -> None:
    gc.set_threshold(100_000)  # of each child too: what it makes in a second is next to no garbage
    place = Path(sys.argv[1])
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(place))
        listener.listen(64)
        print("listening", flush=True)
        request = Server(listener, LIBRARIES[place.stem]).serve()
    if request is not None:
        if request["command"][:2] != WORKER:
            sys.executable = str(place.parent / "bin/python")  # so that what a program starts is forked too
            multiprocessing.set_executable(sys.executable)
        become(request)


class Server:
    """Forks for clients, tells each how its child ended, and ends the child of a client that was killed."""

    def __init__(self, listener: socket.socket, libraries: tuple[str, ...]) -> None:
        self.listener, self.libraries = listener, libraries
        self.clients: dict[int, socket.socket] = {}  # by the child's number
        self.woken, self.wake = socket.socketpair()  # by a child's end
        self.wake.setblocking(False)
        self.selector = selectors.DefaultSelector()

    def serve(self) -> dict[str, Any] | None:
        """In the server: None, when its input ended. In each child: the request that it is there for."""
        signal.set_wakeup_fd(self.wake.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's reaches clients, which pass it on
        for source in (self.listener, self.woken, sys.stdin):
            self.selector.register(source, selectors.EVENT_READ)
        while True:
            for key, _ in self.selector.select():
                if key.fileobj is sys.stdin:
                    return None
                if key.fileobj is self.woken:
                    self.woken.recv(4096)
                    self.tell_of_the_ended()
                elif key.fileobj is not self.listener:
                    self.end(key.data)
                elif (request := self.accept()) is not None:
                    return request

    def accept(self) -> dict[str, Any] | None:
        """Fork for a client; its request in the child, None in the server."""
        load(self.libraries)
        client, _ = self.listener.accept()
        request = received(client)
        if request is None:
            client.close()
            return None
        number = fork(request)
        if not number:
            for one in (*self.clients.values(), client, self.woken, self.wake, self.selector):
                one.close()
            return request
        self.clients[number] = client
        self.selector.register(client, selectors.EVENT_READ, number)
        say(client, number)
        return None

    def tell_of_the_ended(self) -> None:
        for number, code in ended():
            client = self.clients.pop(number)
            if client.fileno() in self.selector.get_map():
                self.selector.unregister(client)
            say(client, code)
            client.close()

    def end(self, number: int) -> None:
        """A client says nothing more: it was killed, unless its child ended just now."""
        if number in self.clients and self.clients[number].fileno() in self.selector.get_map():
            self.selector.unregister(self.clients[number])
            os.kill(number, signal.SIGKILL)  # it may have no group yet; and it is ours until its end is told
            with contextlib.suppress(ProcessLookupError):
                os.killpg(number, signal.SIGKILL)


def say(client: socket.socket, number: int) -> None:
    with contextlib.suppress(OSError):  # it was killed
        client.sendall(b"%d\n" % number)


@functools.cache
def load(libraries: tuple[str, ...]) -> None:
    """Import those that are installed, once; what they leave is no garbage and is never copied.

    What they would end with Python is the server's: in a child it would take as long as all else.
    """
    for library in libraries:
        with contextlib.suppress(ImportError):
            importlib.import_module(library)
    read_translations_once()
    read_services_once()
    weakref.finalize._registry.clear()  # type: ignore[attr-defined]
    gc.collect()
    gc.freeze()


def read_translations_once() -> None:
    """PyTorch's exporter parses the sources of the five hundred functions that it can use, in every export.

    And it makes an object of each of PyTorch's operators, to see which of them it may leave whole.
    """
    if (exporter := sys.modules.get("torch.onnx._internal.exporter._registration")) is not None:
        registry = exporter.ONNXRegistry
        registry.from_torchlib = staticmethod(functools.cache(registry.from_torchlib))
        registry.from_torchlib(opset_version=18)
        importlib.import_module("torch._export.utils")._collect_all_valid_cia_ops()


def read_services_once() -> None:
    """botocore parses megabytes of what it knows of S3 for each session, and DVC begins one for each remote."""
    if (loaders := sys.modules.get("botocore.loaders")) is not None:
        read = loaders.JSONFileLoader.load_file
        known: dict[str, Any] = {}

        def once(self: object, file_path: str) -> Any:
            if file_path not in known:
                known[file_path] = read(self, file_path)
            return known[file_path]

        loaders.JSONFileLoader.load_file = once
        session = importlib.import_module("botocore.session").Session()
        session.create_client("s3", "us-east-1", aws_access_key_id="a", aws_secret_access_key="b")  # noqa: S106


def ended() -> list[tuple[int, int]]:
    """The children that ended, each with its exit code, or minus the signal that ended it."""
    found = []
    with contextlib.suppress(ChildProcessError):
        while (child := os.waitpid(-1, os.WNOHANG))[0]:
            found.append((child[0], os.waitstatus_to_exitcode(child[1])))
    return found


def received(client: socket.socket) -> dict[str, Any] | None:
    """A client's request, with its standard streams; None where it asks for a new process, or was killed by now."""
    streams: list[int] = []
    try:
        head, streams, _, _ = socket.recv_fds(client, HEAD, STREAMS)
        with client.makefile("rb") as file:
            text = file.read(int(head)).decode("utf-8", "surrogateescape")
        request: dict[str, Any] = ast.literal_eval(text)
        other = at_start(request["environment"]) ^ at_start(STARTED_WITH)
        if not other:
            return request | {"received": streams}
        print("cold:", *sorted(map("=".join, other)), file=sys.stderr, flush=True)
        client.sendall(b"cold\n")
    except (OSError, ValueError, SyntaxError):
        print("a client that was killed", file=sys.stderr, flush=True)
    for stream in streams:
        os.close(stream)
    return None


def at_start(environment: dict[str, str]) -> set[tuple[str, str]]:
    """The variables that make another process, with their values."""
    harmless = HANDED_ON + SET_BY_LIBRARIES
    return {(k, v) for k, v in environment.items() if k.startswith(READ_AT_START) and k not in harmless}


def fork(request: dict[str, Any]) -> int:
    """The child's number; 0 in the child, which keeps the client's streams."""
    number = os.fork()
    for stream in request["received"] if number else ():
        os.close(stream)
    return number


def take(received: list[int], streams: list[int]) -> None:
    """The client's streams, each by the number that it has there; before, all are put out of each other's way."""
    aside = [fcntl.fcntl(stream, fcntl.F_DUPFD, 1000) for stream in received]
    for stream in received:
        os.close(stream)
    for number, stream in zip(streams, aside, strict=True):
        os.dup2(stream, number)
        os.close(stream)


def become(request: dict[str, Any]) -> None:
    """Run the program as a new process of Python would, and end."""
    take(request["received"], request["streams"])
    os.setsid()
    os.chdir(request["folder"])
    multiprocessing.process.ORIGINAL_DIR = request["folder"]  # noted at its import, for the paths of scripts
    os.umask(request["umask"])
    os.environ.clear()
    os.environ.update(request["environment"])
    for number in (signal.SIGINT, signal.SIGCHLD):
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    signal.set_wakeup_fd(-1)
    sys.stdout.reconfigure(line_buffering=sys.stdout.isatty())  # type: ignore[union-attr]
    sys.dont_write_bytecode = bool(os.environ.get("PYTHONDONTWRITEBYTECODE"))
    code = 1
    try:
        run(request["command"])
        code = 0
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
        if isinstance(stop.code, str):
            print(stop.code, file=sys.stderr)
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    except BaseException:
        traceback.print_exc()
    finally:
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
        os._exit(code & 255)


def run(command: list[str]) -> None:
    """`python SCRIPT ...`, `python [-P] -m MODULE ...` or `python ... -c CODE ...`."""
    if "-c" in command and (command[:2] == WORKER or command[-1] == SPAWNED):
        at = command.index("-c")
        sys.argv = command[at : at + 1] + command[at + 2 :]
        sys.path.insert(0, "")
        exec(command[at + 1], {"__name__": "__main__"})  # noqa: S102 - what pytest-xdist or multiprocessing asks for
        return
    safe = command[0] == "-P"
    first, *rest = command[1:] if safe else command
    paths = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    own = [] if safe else [str(Path.cwd() if first == "-m" else Path(first).resolve().parent)]
    sys.path[:0] = [*own, *paths]
    if first == "-m":
        sys.argv = rest
        runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
    else:
        sys.argv = [first, *rest]
        runpy.run_path(first, run_name="__main__")


if __name__ == "__main__":
    main()
