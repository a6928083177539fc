"""The socket of a server: at a port, or in a file."""

import contextlib
import socket
import stat
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from stemma.errors import StemmaError, told_by_system
from stemma.serve.settings import ServeSettings
from stemma.text import cut


@contextlib.contextmanager
def reserved(settings: ServeSettings) -> Iterator[socket.socket]:
    """A socket of its own that takes no calls yet; a StemmaError where the address is taken, or of another machine."""
    bound = _unix(Path(settings.socket)) if settings.socket else _internet(settings.host, settings.port)
    try:
        yield bound
    finally:
        bound.close()
        if settings.socket:
            Path(settings.socket).unlink(missing_ok=True)


@contextlib.contextmanager
def reserved_for_grpc(settings: ServeSettings) -> Iterator[ServeSettings]:
    """The settings with a port of gRPC that is ours, at which each process listens for itself; raises as `reserved`."""
    if settings.grpc_port is None:
        yield settings
        return
    with _internet(settings.host, settings.grpc_port) as alone:  # sockets that share a port would hide who has it
        port = alone.getsockname()[1]
    can_share = hasattr(socket, "SO_REUSEPORT")  # not on Windows, where there are no workers
    with _internet(settings.host, port, shared=True) if can_share else contextlib.nullcontext():
        yield settings.model_copy(update={"grpc_port": port})


def is_local(settings: ServeSettings) -> bool:
    """Whether nobody beyond this machine can ask; a StemmaError where the host is none."""
    is_file = settings.socket and settings.grpc_port is None
    found = [] if is_file else _found(settings.host, settings.port)
    return all(ip_address(place[0]).is_loopback for *_, place in found)


def address(settings: ServeSettings, bound: socket.socket) -> str:
    if settings.socket:
        return f"unix:{settings.socket}"
    host, port = bound.getsockname()[:2]
    scheme = "http" if settings.tls is None else "https"
    return f"{scheme}://{bracketed(host)}:{port}{settings.root_path}"


def addresses(settings: ServeSettings, bound: socket.socket) -> str:
    """The same, and that of gRPC."""
    http = address(settings, bound)
    return http if settings.grpc_port is None else f"{http}, gRPC at {bracketed(settings.host)}:{settings.grpc_port}"


def bracketed(host: str) -> str:
    """A host as it stands before a port."""
    return f"[{host}]" if ":" in host else host


def _internet(host: str, port: int, *, shared: bool = False) -> socket.socket:
    family, kind, protocol, _, place = _found(host, port)[0]
    bound = socket.socket(family, kind, protocol)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT if shared else socket.SO_REUSEADDR, 1)
    return _at(f"{host}:{port}", place, bound)


def _found(host: str, port: int) -> list[Any]:
    try:
        return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:  # a part of it that is empty or too long is no text of a name
        why = told_by_system(error) if isinstance(error, OSError) else str(error)
        raise StemmaError(f"{cut(host)!r} is no host to listen at ({why})") from None


def _unix(path: Path) -> socket.socket:
    """A socket that is left over by a server that was killed is replaced; another file never."""
    with contextlib.suppress(FileNotFoundError):
        if stat.S_ISSOCK(path.lstat().st_mode) and not _answers(path):
            path.unlink()
    return _at(str(path), str(path), socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))


def _at(where: str, place: Any, bound: socket.socket) -> socket.socket:
    try:
        bound.bind(place)
    except OSError as error:
        bound.close()
        raise StemmaError(f"{where} cannot be listened at ({told_by_system(error)})") from None
    return bound


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asked:
        return not asked.connect_ex(str(path))
