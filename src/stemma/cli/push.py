"""`stemma push`: versions into the remote."""

from typing import TYPE_CHECKING

from stemma.cli.here import repository
from stemma.cli.options import All, Revisions
from stemma.cli.output import AsJson, answer, done, in_bytes
from stemma.text import counted

if TYPE_CHECKING:
    from stemma.storage.push import Push


def push(revisions: Revisions = None, all: All = False, as_json: AsJson = False) -> None:
    """Send what the remote lacks of versions, whatever is checked out, by the settings of this clone.

    Example: stemma push model@v1.2.0
    """
    from stemma.storage.push import push

    found = push(repository(), revisions or (), all=all)
    with done(_sentence(found)):
        answer(found, lambda: [_sentence(found)], as_json)


def _sentence(found: "Push") -> str:
    where = " and ".join(found.remotes) or "the remote"
    sent = f"{found.pushed} of {counted(found.objects, 'object')} sent"
    what = sent if found.pushed else counted(found.objects, "object was there", "objects were there")
    return f"{counted(len(found.versions), 'version')} in {where}: {what}, {in_bytes(found.size)}"
