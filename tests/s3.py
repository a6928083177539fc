"""A real S3 server that asks for keys: `rclone serve s3` over a folder whose folders are the buckets.

with served(folder) as server:
    server.url("models"), server.environment       # for DVC and s3fs
    server.stop(); server.start()                  # the same port, the same files
"""

import os
import re
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import ports
from timing import until

KEY, SECRET = "stemma", "a-secret-for-tests"
STARTED = re.compile(r"Starting s3 server on .*:(\d+)/")  # at the port that it has


@dataclass
class Server:
    """Args: folder: holds a folder for each bucket; port: on this machine, 0: any; rate: bytes a second, as "12M"."""

    folder: Path
    port: int
    read_only: bool = False
    rate: str | None = None
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        """What a client needs to know; AWS's own names."""
        return {
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",  # where no key is set, nobody asks Amazon's network for one
            "AWS_CONFIG_FILE": str(self.folder / "no-such-file"),
            "AWS_SHARED_CREDENTIALS_FILE": str(self.folder / "no-such-file"),
        }

    def bucket(self, name: str) -> Path:
        """The folder of a bucket, made by the server: it sees one that was made behind it minutes later."""
        from botocore.session import Session

        path = self.folder / name
        if not path.is_dir():
            keys = {"aws_access_key_id": KEY, "aws_secret_access_key": SECRET}
            client = Session().create_client("s3", endpoint_url=self.endpoint, region_name="us-east-1", **keys)
            client.create_bucket(Bucket=name)
        return path

    def start(self) -> None:
        options = ["--read-only"] * self.read_only + ([] if self.rate is None else ["--bwlimit", self.rate])
        with tempfile.NamedTemporaryFile() as file:
            log = Path(file.name)
            self._process = process = subprocess.Popen(
                [
                    "rclone", "serve", "s3", str(self.folder), "--addr", f"127.0.0.1:{self.port}", "--log-file", log,
                    "--auth-key", f"{KEY},{SECRET}", "--config", os.devnull, *options,
                ],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )  # fmt: skip
            until(lambda: STARTED.search(log.read_text()) or process.poll() is not None)
            found = STARTED.search(log.read_text())
            assert found is not None, log.read_text()
            self.port = int(found[1])

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def restart(self, rate: str | None = None) -> None:
        """At the same port."""
        self.stop()
        self.rate = rate
        self.start()

    @contextmanager
    def silent(self) -> Iterator[None]:
        """It takes connections, and answers none."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)


@contextmanager
def served(folder: Path, read_only: bool = False, rate: str | None = None) -> Iterator[Server]:
    """A server for the time of the block."""
    with ports.held() as port:
        server = Server(folder, port, read_only, rate)
        server.start()
        try:
            yield server
        finally:
            server.stop()
