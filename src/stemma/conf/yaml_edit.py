"""Change one value in a YAML text and leave every other byte as it is: comments, quotes, order, line ends.

A YAML library that writes a whole file back lays some untouched lines out anew. Here the parser only tells where a
value stands, and the text is cut there.

    set_value(text, ("model", "dropout"), 0.2)
    remove(text, ("model", "dropout"))
"""

import re
from dataclasses import dataclass
from typing import Any

from stemma.conf.hydra_yaml import flow

Path = tuple[Any, ...]  # keys of mappings, positions in lists


@dataclass(frozen=True)
class Entry:
    """A key and its value, or an item of a list. Positions count characters from the start of the text."""

    key: Any
    start: int  # of the key, of a block list's dash, or of a flow list's item
    key_end: int  # where the key or the dash ends
    node: Any
    item: bool = False  # of a list


class Document:
    """A parsed text; positions are valid for this text alone."""

    def __init__(self, text: str) -> None:
        import yaml
        from omegaconf._utils import get_yaml_loader

        class Loader(get_yaml_loader()):  # type: ignore[misc]
            def compose_node(self, parent: Any, index: Any) -> Any:
                """An alias is a leaf here: what it names is edited where it stands."""
                if not self.check_event(yaml.AliasEvent):
                    return super().compose_node(parent, index)
                event = self.get_event()
                return yaml.ScalarNode("!alias", "", event.start_mark, event.end_mark, style="*")

        self.text = text
        self._loader = Loader(text)
        self.root = self._loader.get_single_node()
        tokens = yaml.scan(text, Loader=yaml.SafeLoader)
        self._dashes = [token.start_mark.index for token in tokens if isinstance(token, yaml.BlockEntryToken)]

    def entries(self, node: Any) -> list[Entry]:
        """What a mapping or a list holds; nothing for a scalar."""
        kind = getattr(node, "id", None)
        if kind == "mapping":
            return [Entry(self._key(key), key.start_mark.index, key.end_mark.index, value) for key, value in node.value]
        return [self._item(node, at, item) for at, item in enumerate(node.value)] if kind == "sequence" else []

    def walk(self, path: Path) -> list[Entry]:
        """The entries along a path, as far as it exists."""
        found: list[Entry] = []
        node = self.root
        for key in path:
            entry = next((one for one in self.entries(node) if repr(one.key) == repr(key)), None)
            if entry is None:
                break
            found.append(entry)
            node = entry.node
        return found

    def end(self, node: Any) -> int:
        """Where a value's last character is behind; the parser counts the comments after a block to the block."""
        entries = self.entries(node)
        if entries and not node.flow_style:
            return self.end(entries[-1].node)
        start, stop = int(node.start_mark.index), int(node.end_mark.index)
        return start + len(self.text[start:stop].rstrip()) if node.id == "scalar" else stop

    def line_start(self, position: int) -> int:
        return self.text.rfind("\n", 0, position) + 1

    def line_end(self, position: int) -> int:
        """Behind the line's end."""
        found = self.text.find("\n", position)
        return len(self.text) if found < 0 else found + 1

    def _key(self, node: Any) -> Any:
        """A key as loaded; "<<" and "=", which name no value, as written."""
        special = node.tag in ("tag:yaml.org,2002:merge", "tag:yaml.org,2002:value")
        return node.value if special else self._loader.construct_object(node, True)

    def _item(self, sequence: Any, at: int, item: Any) -> Entry:
        start = item.start_mark.index
        if sequence.flow_style:
            return Entry(at, start, start, item, item=True)
        dash = max(position for position in self._dashes if position < start)
        return Entry(at, dash, dash + 1, item, item=True)


def reach(text: str, path: Path) -> Path:
    """The longest part of `path` whose value can be set: it ends early where a scalar or an alias stands in its way."""
    document = Document(text)
    found = document.walk(path)
    node = found[-1].node if found else document.root
    blocked = 0 < len(found) < len(path) and node.id != "mapping"
    return path[: len(found)] if blocked else path


def set_value(text: str, path: Path, value: Any, old: Any = None) -> str:
    """The text with `value` at `path`; missing mappings on the way are made, at the end of the one that is there.

    Args:
        text: YAML, a mapping at its top.
        path: as `reach` allows.
        value: what Hydra shall read there.
        old: the list that stands there now, as resolved; only items that differ from it are touched.
    """
    document = Document(text)
    found = document.walk(path)
    if len(found) < len(path):
        return _add(document, found, path[len(found) :], value)
    node = found[-1].node
    if isinstance(value, list) and isinstance(old, list) and node.id == "sequence" and len(node.value) == len(old):
        return _set_items(document, path, value, old)
    return _replace(document, found[-1], value)


def remove(text: str, path: Path) -> str:
    """The text without the entry at `path`; a mapping or list that is left empty is written as {} or []."""
    document = Document(text)
    found = document.walk(path)
    if len(found) < len(path):
        return text
    parent = found[-2].node if len(found) > 1 else document.root
    entries = document.entries(parent)
    if len(entries) == 1 and len(found) > 1:
        return _replace(document, found[-2], {} if parent.id == "mapping" else [])
    if parent.flow_style:
        return _cut_flow(document, entries, entries.index(found[-1]))
    start, stop = document.line_start(found[-1].start), document.line_end(_entry_end(document, found[-1]))
    return text[:start] + text[stop:]


def _entry_end(document: Document, entry: Entry) -> int:
    return max(entry.key_end, document.end(entry.node))


def _cut_flow(document: Document, entries: list[Entry], at: int) -> str:
    """An item of [a, b, c] goes with the comma on its left, the first with that on its right; one on a line, whole."""
    text, start, stop = document.text, entries[at].start, _entry_end(document, entries[at])
    first, last = document.line_start(start), document.line_end(stop)
    if not text[first:start].strip() and re.fullmatch(r"[ ,]*(#.*)?\r?\n?", text[stop:last]):
        return text[:first] + text[last:]
    if at:
        return text[: _entry_end(document, entries[at - 1])] + text[stop:]
    return text[:start] + text[entries[1].start if len(entries) > 1 else stop :]


def _set_items(document: Document, path: Path, value: list[Any], old: list[Any]) -> str:
    text = document.text
    for at in reversed(range(len(value), len(old))):
        text = remove(text, (*path, at))
    for at, item in enumerate(value):
        if at >= len(old) or repr(item) != repr(old[at]):
            text = set_value(text, (*path, at), item)
    return text


def _replace(document: Document, entry: Entry, value: Any) -> str:
    """Another value of an entry."""
    text, node = document.text, entry.node
    start, stop = node.start_mark.index, document.end(node)
    old = text[start:stop]
    anchor = re.match(r"&\S+\s*", old)
    quoted = getattr(node, "style", None) in ("'", '"') and isinstance(value, str)
    new = (anchor.group() if anchor else "") + flow(value, node.style if quoted else None)
    if not old:
        colon = "" if entry.item or ":" in text[entry.key_end : start] else ":"
        return f"{text[:start]}{colon} {new}{text[stop:]}"
    if document.line_start(start) > entry.key_end:  # a block below its key
        behind_key = entry.key_end if entry.item else text.index(":", entry.key_end) + 1
        between = text[behind_key : document.line_start(start)]
        return f"{text[:behind_key]} {new}{between}{text[document.line_end(stop) :]}"
    return text[:start] + new + text[stop:]


def _add(document: Document, found: list[Entry], keys: Path, value: Any) -> str:
    """A new entry at the end of the mapping or list at the end of `found`."""
    node = found[-1].node if found else document.root
    for key in reversed(keys[1:]):
        value = {key: value}
    if node is not None and node.flow_style:
        return _add_flow(document, node, keys[0], value)
    entries = document.entries(node)
    at = document.line_end(document.end(node)) if entries else len(document.text)
    column = entries[0].start - document.line_start(entries[0].start) if entries else 0
    newline = "\r\n" if "\r\n" in document.text else "\n"
    before = document.text[:at]
    if before and not before.endswith("\n"):
        before += newline
    listed = getattr(node, "id", None) == "sequence"
    lines = [f"- {flow(value)}"] if listed else _block(keys[0], value)
    return before + "".join(f"{' ' * column}{line}{newline}" for line in lines) + document.text[at:]


def _add_flow(document: Document, node: Any, key: Any, value: Any) -> str:
    text, entries = document.text, document.entries(node)
    new = flow(value) if node.id == "sequence" else f"{flow(key)}: {flow(value)}"
    if not entries:
        at = node.end_mark.index - 1
        return f"{text[:at]}{new}{text[at:]}"
    at = _entry_end(document, entries[-1])
    return f"{text[:at]}, {new}{text[at:]}"


def _block(key: Any, value: Any) -> list[str]:
    """The lines of `key: value`, a mapping in block style."""
    if not isinstance(value, dict) or not value:
        return [f"{flow(key)}: {flow(value)}"]
    return [f"{flow(key)}:", *(f"  {line}" for name, below in value.items() for line in _block(name, below))]
