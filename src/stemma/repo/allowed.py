"""What the settings that Git carries may say on this machine: the tables, and nothing decides beside them.

    kept, claim = parted(root, ".dvc/config", said)    # what counts, and what it asks for beyond that

A setting that is in no table, or whose value names a file or a command, is left out.
"""

import hashlib
import json
import os
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Left out by kind: s3 configpath, credentialpath, profile (they start `credential_process`), acl, grant_* (who else may
# read what is pushed); gs endpointurl (gets the user's token); ssh keyfile; gdrive's accounts; hdfs kerb_ticket; webdav
# bearer_token_command, cert_path, key_path; webhdfs proxies; secrets; what asks for one on the terminal.
SECTIONS = {
    "core": _names(
        "remote analytics autostage check_update checksum_jobs experiments hardlink_lock interactive no_scm"
    ),
    "cache": _names("dir protected shared slow_link_warning type"),
    "hydra": _names("enabled config_dir config_name"),
    "parsing": _names("bool list"),
}
UNUSED = ("exp", "feature", "index", "plots", "state")  # no command of ours obeys them: left out without a word
ANY_REMOTE = _names("url verify jobs checksum_jobs no_traverse version_aware worktree")
_HTTP = "auth custom_auth_header user method connect_timeout read_timeout ssl_verify"
_WEBDAV = "user custom_auth_header timeout ssl_verify"
REMOTES = {
    scheme: ANY_REMOTE | _names(names)
    for scheme, names in {
        "": "type protected shared slow_link_warning",
        "file": "type protected shared slow_link_warning",
        "s3": "region endpointurl use_ssl ssl_verify allow_anonymous_login listobjects cache_regions sse "
        "sse_kms_key_id sse_customer_algorithm read_timeout connect_timeout",
        "gs": "projectname allow_anonymous_login",
        "azure": "account_name tenant_id client_id allow_anonymous_login exclude_environment_credential "
        "exclude_visual_studio_code_credential exclude_shared_token_cache_credential "
        "exclude_managed_identity_credential timeout read_timeout connection_timeout",
        "ssh": "type port user timeout max_sessions allow_agent gss_auth",
        "hdfs": "user replication",
        "webhdfs": "user kerberos kerberos_principal use_https ssl_verify",
        "oss": "oss_endpoint",
        "gdrive": "gdrive_use_service_account gdrive_trash_only gdrive_acknowledge_abuse",
        "http": _HTTP,
        "https": _HTTP,
        "webdav": _WEBDAV,
        "webdavs": _WEBDAV,
    }.items()
}
# A host or a user that begins with "-" or holds what a shell obeys may reach a ProxyCommand of ~/.ssh/config.
HOST = re.compile(r"(?!-)(?:(?!@-)[\w.:@%\[\]~+-])*")
USER = re.compile(r"(?!-)[\w.@+\\/-]*")


@dataclass(frozen=True)
class Claim:
    """What a repository asks for and may not decide."""

    source: str  # the file that asks
    keys: tuple[str, ...]  # of its settings, never their values
    digest: str  # of these settings, and of files in the repository that they name


def parted(root: Path, source: str, said: Mapping[str, Any]) -> tuple[dict[str, Any], Claim | None]:
    """The settings of a file that count, and what it asks for beyond them."""
    kept: dict[str, Any] = {"remote": {}}
    dropped: dict[str, Any] = {}
    for section, values in said.items():
        if section in UNUSED:
            continue
        if section in ("remote", "machine", "db") and isinstance(values, dict):
            for name, named in values.items():
                allowed = _of_remote(values, name) if section == "remote" else frozenset()
                safe = _safe(root, f"{section}.{name}", named, allowed, dropped)
                if section == "remote" and safe and f"remote.{name}.url" not in dropped:
                    kept["remote"][name] = safe
        else:
            kept[section] = _safe(root, section, values, SECTIONS.get(section, frozenset()), dropped)
    return kept, claim_of(root, source, dropped) if dropped else None


def _safe(root: Path, where: str, values: Any, allowed: frozenset[str], dropped: dict[str, Any]) -> dict[str, Any]:
    """Those of a section's settings that count; the others are added to `dropped`."""
    if not isinstance(values, dict):
        dropped[where] = values
        return {}
    safe = {key: value for key, value in values.items() if key in allowed and _is_harmless(root, key, value)}
    dropped |= {f"{where}.{key}": value for key, value in values.items() if key not in safe}
    return safe


def _of_remote(remotes: Mapping[str, Any], name: str) -> frozenset[str]:
    """What a remote may say, by the kind of its URL; `remote://` takes that of the remote that it names.

    One that is in no table, or leads back to itself, may say nothing: not even its URL.
    """
    seen: list[str] = []
    while name not in seen:
        seen.append(name)
        values = remotes.get(name)
        url = values.get("url") if isinstance(values, dict) else None
        if not isinstance(url, str):
            return ANY_REMOTE  # its URL is of another level
        kind = re.match(r"([a-z][a-z0-9+.-]+):", url.lower())  # one letter is a drive
        if kind is None or kind[1] != "remote":
            return REMOTES.get(kind[1] if kind else "", frozenset())
        name = urlsplit(url).netloc.lower()
    return frozenset()


def _is_harmless(root: Path, key: str, value: Any) -> bool:
    """Whether the value of a setting in the tables names neither a file nor a command."""
    if key in ("type", "list", "bool") and isinstance(value, list):
        return all(isinstance(each, str) for each in value)
    if not isinstance(value, str) or not value.isprintable():
        return False
    if key == "url":
        return not re.match(r"\w[\w+.-]*://", value) or HOST.fullmatch(urlsplit(value).netloc) is not None
    if key in ("user", "kerberos_principal"):
        return USER.fullmatch(value) is not None
    if key == "dir":
        return not value.startswith("~") and is_inside(root / ".dvc", root / ".dvc" / value)  # where links are known
    if key == "config_dir":
        return is_inside(root, root / value)
    if key == "ssl_verify":  # certificates of this machine, never of the clone
        return value.lower() == "true" or (Path(value).is_absolute() and not is_inside(root, Path(value)))
    return True


def is_inside(root: Path, path: Path) -> bool:
    return Path(os.path.realpath(path)).is_relative_to(place(root))


def claim_of(root: Path, source: str, asked: Mapping[str, Any]) -> Claim:
    """Args: asked: values by key; a value or a key that names a file of the repository stands for its bytes too."""
    found = hashlib.sha256(json.dumps([source, asked], sort_keys=True, default=str).encode())
    for text in sorted({str(word) for word in [*asked, *asked.values()]}):
        for file in (root / text, root / ".dvc" / text):
            with suppress(OSError, ValueError):  # it is no name of a file
                if file.is_file() and is_inside(root, file):
                    found.update(hashlib.sha256(file.read_bytes()).digest())
    return Claim(source, tuple(sorted(asked)), found.hexdigest())


def place(root: Path) -> str:
    return os.path.realpath(root)
