"""Posts a report as a comment on its pull request (GitHub) or merge request (GitLab); later runs replace it.

    python .ci/comment.py report.md

Runs in GitHub Actions, GitLab CI and Jenkins, which tell in the environment what is built. The token is read from
COMMENT_TOKEN; without one, as on a fork, nothing is posted. Standard library only.
"""

import json
import os
import re
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MARK = "<!-- report on the model -->"
LONGEST = 60_000  # GitHub takes 65,536 characters


@dataclass(frozen=True)
class Place:
    """Where the comments of one request are.

    Args:
        comments: address that lists them, and takes a new one.
        comment: address of one comment, without its number.
        change: the method that changes one.
        headers: what proves who asks.
    """

    comments: str
    comment: str
    change: str
    headers: Mapping[str, str]


def main(report: Path) -> None:
    token = os.environ.get("COMMENT_TOKEN")
    if not token:
        print("COMMENT_TOKEN is not set: the report is not posted", file=sys.stderr)
        return
    place = place_of(os.environ, token)
    body = f"{MARK}\n{report.read_text(encoding='utf-8')}"[:LONGEST]
    mine = next((each for each in comments(place) if each["body"].startswith(MARK)), None)
    if mine:
        ask(place, place.change, f"{place.comment}/{mine['id']}", body)
    else:
        ask(place, "POST", place.comments, body)


def place_of(environment: Mapping[str, str], token: str) -> Place:
    """The request that is built, as the CI names it."""
    if "GITHUB_ACTIONS" in environment:
        number = environment["GITHUB_REF"].split("/")[2]  # refs/pull/NUMBER/merge
        return github(environment["GITHUB_API_URL"], environment["GITHUB_REPOSITORY"], number, token)
    if "GITLAB_CI" in environment:
        project, number = environment["CI_MERGE_REQUEST_PROJECT_ID"], environment["CI_MERGE_REQUEST_IID"]
        return gitlab(environment["CI_API_V4_URL"], project, number, token)
    address = environment.get("CHANGE_URL", "")  # Jenkins
    if found := re.fullmatch(r"(https?://[^/]+)/([^/]+/[^/]+)/pull/(\d+)", address):
        host = "https://api.github.com" if found[1] == "https://github.com" else f"{found[1]}/api/v3"
        return github(host, found[2], found[3], token)
    if found := re.fullmatch(r"(https?://[^/]+)/(.+)/-/merge_requests/(\d+)", address):
        return gitlab(f"{found[1]}/api/v4", found[2].replace("/", "%2F"), found[3], token)
    raise SystemExit(f"error: neither GitHub nor GitLab: CHANGE_URL is {address!r}")


def github(api: str, repository: str, number: str, token: str) -> Place:
    issues = f"{api}/repos/{repository}/issues"
    return Place(f"{issues}/{number}/comments", f"{issues}/comments", "PATCH", {"Authorization": f"Bearer {token}"})


def gitlab(api: str, project: str, number: str, token: str) -> Place:
    notes = f"{api}/projects/{project}/merge_requests/{number}/notes"
    return Place(notes, notes, "PUT", {"PRIVATE-TOKEN": token})


def comments(place: Place) -> Iterator[dict[str, Any]]:
    """The comments of the request, the oldest first on GitHub, page by page."""
    page = 1
    while listed := ask(place, "GET", f"{place.comments}?per_page=100&page={page}"):
        yield from listed
        page += 1


def ask(place: Place, method: str, address: str, body: str | None = None) -> Any:
    data = None if body is None else json.dumps({"body": body}).encode()
    headers = {**place.headers, "Content-Type": "application/json", "User-Agent": "comment.py"}
    request = urllib.request.Request(address, data, headers, method=method)  # noqa: S310 - the CI's own address
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
            return json.load(answer)
    except urllib.error.HTTPError as error:
        raise SystemExit(f"error: {method} {address}: {error.code} {error.reason}: {error.read(300)!r}") from None


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit("usage: python .ci/comment.py report.md")
    main(Path(sys.argv[1]))
