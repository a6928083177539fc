"""An opened bundle: its files, its record, its predictions."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from stemma import layout, runtime, signature
from stemma.bundle import archive
from stemma.bundle.archive import GRAPH, MANIFEST, SIGNATURE, SIGNED
from stemma.bundle.graph import look
from stemma.errors import BundleError, GraphError
from stemma.files import open_plain
from stemma.text import in_one_line

RECORD, REGISTERED, BACKGROUND = "version.json", "registered.json", "background.json"
REQUEST, RESPONSE, REFERENCE = "request.json", "response.json", "reference.json"
FORMAT = 1  # of the first three
TENSORS = {"number": "tensor(float)", "boolean": "tensor(float)", "date": "tensor(double)", "string": "tensor(string)"}
LETTERS = 2**28  # of the texts of rows that are predicted at once


@dataclass(frozen=True)
class Bundle:
    """A verified bundle in memory. What it says of itself is read when asked: a BundleError where it is damaged."""

    files: Mapping[str, bytes]
    signature: signature.Signature
    trusted: bool = False  # its graph is run without a look at it, and without limits

    @classmethod
    def of(cls, files: Mapping[str, bytes], trusted: bool = False) -> Self:
        """The bundle of files that `archive.read` gave; a BundleError where signature.json is damaged."""
        return cls(MappingProxyType(files), signature.parse(files[SIGNATURE]), trusted)

    @cached_property
    def record(self) -> Mapping[str, Any]:
        """version.json: structure, data, process, metrics, weights; empty where the bundle has none."""
        return self._facts(RECORD)

    @cached_property
    def registered(self) -> Mapping[str, Any]:
        """registered.json: the name of the version and its commit; empty where the bundle has none."""
        return self._facts(REGISTERED)

    @cached_property
    def background(self) -> Mapping[str, Sequence[Any]]:
        """Columns of some training rows, to explain answers against; empty where the bundle has none."""
        found = self._facts(BACKGROUND)
        with reading(BACKGROUND):
            return {name: list(values) for name, values in found["inputs"].items()} if found else {}

    @cached_property
    def sample(self) -> Mapping[str, Sequence[Any]]:
        """Columns of some rows, as a request has them; empty where the bundle has none."""
        with reading(REQUEST):
            return dict(json.loads(self.files.get(REQUEST, b'{"inputs": {}}'))["inputs"])

    @cached_property
    def reference(self) -> Mapping[str, Mapping[str, Any]]:
        """The columns that it was trained on, as profile.json describes them; empty where the bundle has none."""
        with reading(REFERENCE):
            return dict(json.loads(self.files.get(REFERENCE, b'{"columns": {}}'))["columns"])

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the manifest, and so of all that it lists."""
        return hashlib.sha256(self.files[MANIFEST]).hexdigest()

    @property
    def is_signed(self) -> bool:
        """Whether it carries a signature, which nothing here has verified."""
        return SIGNED in self.files

    def predict(self, columns: Mapping[str, Sequence[Any]], first_row: int = 1) -> NDArray[np.float32]:
        """Probabilities (N, classes), or predictions (N, 1) of a regression.

        Args:
            columns: N values (text, numbers or None) of every input, by name; other columns are ignored.
            first_row: number of the first row, for messages.

        Raises:
            BundleError: names the column and row of a value that does not fit, or the graph does not fit the signature.
        """
        return self.run(self.signature.arrays(columns, first_row), first_row)

    def run(self, arrays: Mapping[str, NDArray[Any]], first_row: int = 1) -> NDArray[np.float32]:
        """As `predict`, for the arrays (N, 1) that `Signature.arrays` makes."""
        if not len(next(iter(arrays.values()))):
            return np.empty((0, self.signature.width), np.float32)
        output = self._output(arrays)
        if not np.isfinite(output).all():
            row = first_row + int((~np.isfinite(output).all(axis=1)).argmax())
            raise GraphError(f"row {row} gives a prediction that is not finite")
        return output

    def _output(self, arrays: Mapping[str, NDArray[Any]]) -> NDArray[np.float32]:
        _check_letters(arrays)
        try:
            output = runtime.run(self._session, arrays)
        except BundleError:
            raise
        except Exception as error:  # the errors of onnxruntime have no other base
            raise GraphError(f"{GRAPH} cannot be run ({in_one_line(error)})") from None
        asked = (len(next(iter(arrays.values()))), self.signature.width)
        if output.shape != asked:
            raise GraphError(f"{GRAPH} gives {output.shape} values, and {SIGNATURE} promises {asked}")
        return output

    def ready(self) -> None:
        """Load the graph and try it on two rows, so that the first prediction does not wait for it.

        Raises:
            BundleError: it cannot be run, or does not fit the signature.
        """
        nothing = {"tensor(float)": np.float32(0), "tensor(double)": 0.0, "tensor(string)": ""}
        rows = {each.name: nothing[TENSORS[each.type]] for each in self.signature.inputs}
        self._output({name: np.array([[value]] * 2, object if value == "" else None) for name, value in rows.items()})

    @cached_property
    def _session(self) -> Any:
        if not self.trusted:
            look(self.files[GRAPH])
        try:
            session = runtime.session(self.files[GRAPH])
        except ImportError:
            raise BundleError("onnxruntime is not installed", run="pip install onnxruntime") from None
        except Exception as error:  # the errors of onnxruntime have no other base
            raise BundleError(f"{GRAPH} cannot be run ({in_one_line(error)})") from None
        inputs = {each.name: TENSORS[each.type] for each in self.signature.inputs}
        if {each.name: each.type for each in session.get_inputs()} != inputs:
            raise BundleError(f"{GRAPH} does not take the inputs of {SIGNATURE}")
        output = session.get_outputs()[0]
        if (output.name, output.type) != (self.signature.output, TENSORS["number"]):
            raise BundleError(f"{GRAPH} does not give the output of {SIGNATURE}, in float32")
        return session

    def _facts(self, name: str) -> Mapping[str, Any]:
        if name not in self.files:
            return {}
        try:
            found = json.loads(self.files[name])
            known = found["format"]
        except (ValueError, KeyError, TypeError, RecursionError):
            raise BundleError(f"{name} is damaged") from None
        if known != FORMAT:
            raise BundleError(f"{name} has format {known!r}, and this version reads {FORMAT}")
        return MappingProxyType(found)


@contextmanager
def reading(record: str) -> Iterator[None]:
    """Turn what is not as a record has it, somewhere inside, into a BundleError of one line."""
    try:
        yield
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise BundleError(f"{record} is damaged ({type(error).__name__}: {in_one_line(error)})") from error


def open_bundle(path: Path, trusted: bool = False) -> Bundle:
    """Read a bundle into memory, every byte verified.

    Raises:
        BundleError: it is not there, is damaged, or holds what a bundle does not.
    """
    path = Path(path)
    helps = f"dvc checkout {path.as_posix()}" if path.as_posix().endswith(layout.PACKAGE.as_posix()) else None
    try:
        with open_plain(path) as file:
            content = archive.read(file)
    except FileNotFoundError:
        raise BundleError(f"{path} is not there", run=helps) from None
    except OSError as error:
        raise BundleError(f"{path} cannot be read ({error.strerror or error})") from None
    except BundleError as error:
        raise BundleError(f"{path} is damaged ({error})", run=helps) from None
    return Bundle.of(content, trusted)


def verify(path: Path) -> None:
    """Check every byte of a bundle, and what its graph asks for; raises as `open_bundle` and `look`."""
    look(open_bundle(path).files[GRAPH])


def _check_letters(arrays: Mapping[str, NDArray[Any]]) -> None:
    """Refuse texts that would fill the memory: many rows may share one in a dictionary, and each gets a copy to run."""
    texts = [values[:, 0].tolist() for values in arrays.values() if values.dtype.kind == "O"]
    if sum(map(len, chain.from_iterable(texts))) > LETTERS:
        raise BundleError(f"the texts of these rows have more than {LETTERS:,} letters: send them in parts")
