"""What a stranger's repository may do: nothing starts and nothing is written, in every command that reads."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from dvc.config_schema import REMOTE_SCHEMAS, SCHEMA

from stemma import conf, text
from stemma.cli.words import app
from stemma.errors import VersionError
from stemma.repo import allowed, trust
from stemma.versions.export import export
from version_worlds import World

Run = Callable[..., tuple[int, str, str]]

READS = {  # every command that reads a repository, with what makes it read most
    "best": ("--all",),
    "backup": ("../backup",),
    "bundle build": ("HEAD", "--output", "../made.zip"),
    "compare": ("HEAD~1", "HEAD"),
    "compress": ("HEAD", "--budget", "roc_auc -0.002"),
    "check": (),
    "conf adopt": (),
    "conf check": (),
    "conf sync": (),
    "demote": ("prod",),
    "describe": ("table.csv", "--target", "y", "--name", "theirs", "--track"),
    "diff": ("HEAD~1", "HEAD"),
    "doctor": ("HEAD",),
    "experiments": ("--all",),
    "explain": ("HEAD",),
    "export": ("HEAD", "--format", "safetensors", "--output", "../exported"),
    "gc": ("--remote",),
    "follow": ("--once",),
    "history": ("--verify",),
    "lock": ("--accept", "task"),
    "log": ("--all",),
    "promote": ("v1.0.0", "prod"),
    "publish mlflow": ("HEAD",),
    "push": ("--all",),
    "register": ("--push",),
    "remote check": (),
    "retire": ("v1.0.0", "--why", "x"),
    "rollback": ("HEAD~1", "--dry-run"),
    "search": (),
    "show": ("HEAD",),
    "trust": ("--show",),
    "undo": (),
    "verify": ("--all", "--repair"),
}
ELSEWHERE = {
    "restore": "it makes a repository of its own", "key": "it makes a key", "docs": "it reads pages",
    "serve": "it opens bundles; a stage is followed as by follow",
}  # fmt: skip
BUNDLES = ("inspect", "verify", "predict", "unpack", "key", "sign", "diff")  # of files, wherever they lie
LOGS = ("outcomes", "ab", "drift", "report", "guard", "check", "retrain")  # of logs, wherever they lie
SERVICES = (
    "token",
    "audit",
    "status",
    "load",
    "switch",
    "rollback",
    "withdraw",
    "split",
    "shadow",
    "drain",
)  # of a server, wherever it runs

AWS = "[default]\ncredential_process = {start}\n[profile evil]\ncredential_process = {start}\n"
CONFIG = """\
[core]
    remote = cloud
    site_cache_dir = {outside}/site
[cache]
    dir = {outside}/cache
[hydra]
    enabled = true
    plugins_path = .
    config_module = evil
['remote "cloud"']
    url = s3://bucket/dvc
    endpointurl = http://127.0.0.1:9
    region = us-east-1
    configpath = ../aws.cfg
    profile = evil
['remote "cwd"']
    url = s3://bucket/dvc
    configpath = /proc/self/cwd/aws.cfg
['remote "dav"']
    url = webdavs://127.0.0.1:9/x
    bearer_token_command = {start}
['remote "shell"']
    url = ssh://-oProxyCommand={start}/x
    keyfile = ../key
['remote "again"']
    url = remote://cloud/deeper
    credentialpath = ../aws.cfg
"""
REFUSED = """\
['remote "loop"']
    url = remote://loop/x
['remote "program"']
    url = ext::sh -c {start}
['remote "other"']
    url = dvc://127.0.0.1/x
"""
STAGE_FILE = """\
deps:
- path: s3://bucket/file
  fs_config: {configpath: /proc/self/cwd/aws.cfg}
outs:
- path: imported
  md5: 0123456789abcdef0123456789abcdef
  hash: md5
"""
IMPORT = """\
deps:
- path: reports/explain.json
  repo: {{url: {other}, rev_lock: {commit}, config: {{remote: {{cloud: {{configpath: /proc/self/cwd/aws.cfg}}}}}}}}
outs:
- path: evaluation.json
"""
PLUGIN = "import pathlib\npathlib.Path({canary!r}).touch()\n"


class Hostile:
    """A world of a stranger. `canary` is there once anything of theirs has started; `outside` is never written to."""

    def __init__(self, folder: Path, like: World) -> None:
        self.world = like.copy(folder / "world")
        self.canary = folder / "canary"
        self.outside = folder / "outside"
        self.outside.mkdir()
        self.program = folder / "program"
        self.program.write_text(f'#!/bin/sh\ntouch "{self.canary}"\n')
        self.program.chmod(0o755)
        self.world.write("table.csv", "n,y\n" + "".join(f"{row}.5,{'ab'[row % 2]}\n" for row in range(60)))

    def fill(self, text: str) -> str:
        return text.replace("{start}", str(self.program)).replace("{outside}", str(self.outside))

    def is_quiet(self) -> bool:
        """Whether nothing started and nothing was written outside; what started is forgotten."""
        return not self.has_fired() and not any(self.outside.iterdir())

    def has_fired(self) -> bool:
        """Whether anything started; forgotten with the answer."""
        fired = self.canary.exists()
        self.canary.unlink(missing_ok=True)
        return fired


@pytest.fixture(autouse=True)
def no_keys(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No keys of AWS but those that a repository brings; what DVC puts into the environment goes again."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    text.say_once.cache_clear()
    before = dict(os.environ)
    yield
    for name in os.environ.keys() - before.keys():
        del os.environ[name]


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory, three_versions: World) -> Hostile:
    """All that Git can carry: settings, links, plugins, attributes, submodules, stage files, a bare repository."""
    hostile = Hostile(tmp_path_factory.mktemp("clone"), three_versions)
    world = hostile.world
    world.write(".dvc/config", hostile.fill(CONFIG + REFUSED))
    world.write(".dvc/config.local", "['remote \"cloud\"']\n    credentialpath = ../aws.cfg\n")
    world.write("aws.cfg", hostile.fill(AWS))
    world.write("hydra_plugins/evil/__init__.py", PLUGIN.format(canary=str(hostile.canary)))
    world.write("evil/__init__.py", PLUGIN.format(canary=str(hostile.canary)))
    world.write("src/stage.py", PLUGIN.format(canary=str(hostile.canary)))
    world.write("conf/config.yaml", "a: 1\n")
    world.write("hooks/post-checkout", hostile.program.read_text())
    world.write(".gitattributes", "* filter=evil diff=evil merge=evil export-subst\n")
    module = f"url = ext::sh -c {hostile.program}\n    update = !{hostile.program}\n"
    world.write(".gitmodules", f'[submodule "x"]\n    path = x\n    {module}')
    for name in ("objects/keep", "refs/keep", ".dvc/keep"):
        world.write(f"bare/{name}", "")
    world.write("bare/HEAD", "ref: refs/heads/main\n")
    work_tree = "repositoryformatversion = 0\n    bare = false\n    worktree = .."
    world.write("bare/config", f"[core]\n    {work_tree}\n    fsmonitor = {hostile.program}\n")
    world.git("add", "-A", "-f", ".dvc/config.local")
    world.commit("from a stranger")
    world.empty_cache()
    return hostile


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory, three_versions: World) -> Hostile:
    """A folder that was copied with its .git, and with it Git's settings and hooks."""
    hostile = Hostile(tmp_path_factory.mktemp("copied"), three_versions)
    world, program = hostile.world, hostile.program
    world.write(".gitattributes", "* diff=evil\n")
    world.commit("attributes")
    hooks = world.folder / ".git/hooks"
    for name in ("post-checkout", "post-index-change", "reference-transaction", "post-commit", "pre-auto-gc"):
        shutil.copy(program, hooks / name)
    for name, value in {
        "core.fsmonitor": program, "core.hooksPath": hooks, "core.pager": program, "core.editor": program,
        "diff.external": program, "diff.evil.textconv": program, "diff.evil.command": program,
        "protocol.ext.allow": "always", "remote.origin.url": f"ext::{program}", "alias.log": f"!{program}",
    }.items():  # fmt: skip
        world.ok("git", "config", name, str(value))
    hostile.canary.unlink(missing_ok=True)
    return hostile


def words(group: Any, before: str = "") -> Iterator[str]:
    """Every command of the command line."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from words(command, f"{before}{name} ")
        else:
            yield f"{before}{name}"


def test_every_command_that_reads_is_tried() -> None:
    known = set(words(typer.main.get_command(app)))
    assert known == {
        *READS,
        *ELSEWHERE,
        *(f"bundle {name}" for name in BUNDLES),
        *(f"service {name}" for name in SERVICES),
        *(f"watch {name}" for name in LOGS),
    }


@pytest.mark.parametrize("command", READS)
def test_nothing_of_a_hostile_clone_starts_and_nothing_is_written_outside(
    clone: Hostile, command: str, run: Run
) -> None:
    code, out, said = run(clone.world, *command.split(), *READS[command])
    assert clone.is_quiet(), (code, out, said)
    assert "Traceback" not in said
    shutil.rmtree(clone.world.folder.parent / "backup", ignore_errors=True)


@pytest.mark.parametrize("command", READS)
def test_nothing_of_a_copied_folder_starts(copied: Hostile, command: str, run: Run) -> None:
    code, out, said = run(copied.world, *command.split(), *READS[command])
    assert copied.is_quiet(), (code, out, said)


@pytest.mark.parametrize("command", ["log", "show", "gc", "rollback", "doctor"])
def test_a_bare_repository_in_the_tree_is_not_taken_for_the_repository(clone: Hostile, command: str, run: Run) -> None:
    assert run(clone.world.folder / "bare", command, *READS[command])[0] == 1
    assert clone.is_quiet()


@pytest.mark.parametrize("link", [".dvc/tmp", ".dvc/cache", ".dvc/config"])
def test_a_link_that_git_carries_below_dvc_stops_what_would_follow_it(
    three_versions: World, tmp_path: Path, link: str, run: Run
) -> None:
    hostile = Hostile(tmp_path, three_versions)
    path = hostile.world.folder / link
    shutil.rmtree(path, ignore_errors=True)
    path.unlink(missing_ok=True)
    path.symlink_to(hostile.outside)
    hostile.world.git("add", "-f", link)
    hostile.world.commit("a link")
    for command in ("verify", "gc", "backup", "rollback"):
        code, _, said = run(hostile.world, command, *READS[command])
        assert code == 1
        assert f"Git carries {link}" in said, command
        assert "stemma trust" in said
    assert hostile.is_quiet()


def test_every_canary_can_fire(clone: Hostile, copied: Hostile, run: Run) -> None:
    """Plain DVC and plain Git obey what the tests above hold back, and so does Stemma once it is trusted."""
    clone.world.run("git", "-C", "bare", "status")
    assert clone.has_fired()
    for plain in ("status", "ls-remote origin", "diff HEAD~1"):
        copied.world.run("git", *plain.split())
        assert copied.has_fired(), plain
    world = clone.world.copy(clone.world.folder.parent / "trusted")
    settings = clone.fill(CONFIG).replace(str(clone.outside), str(clone.outside.parent / "elsewhere"))
    world.write(".dvc/config", settings.replace("    config_module = evil\n", ""))
    world.run("dvc", "pull", "models/weights")
    assert clone.has_fired()
    world.run("dvc", "exp", "run", "--dry")
    assert clone.has_fired()
    stemma = (sys.executable, "-P", "-m", "stemma.cli")
    world.ok(*stemma, "trust")
    assert not clone.has_fired()
    for command in ("verify --only remote", "show HEAD", "conf check", "export HEAD --format h5"):
        done = world.run(*stemma, *command.split())
        assert clone.has_fired(), (command, done.stdout, done.stderr)


@pytest.mark.parametrize("kind", [kind for kind in REMOTE_SCHEMAS if kind != "remote"])
def test_no_kind_of_remote_starts_anything_with_all_that_dvc_knows_of_it(
    three_versions: World, tmp_path: Path, kind: str, run: Run
) -> None:
    hostile = Hostile(tmp_path, three_versions)
    program = {str(key): str(hostile.program) for key in REMOTE_SCHEMAS[kind]}
    asks = {key: "true" for key in program if key.startswith(("ask_", "allow_", "use_", "gdrive_use"))}
    numbers = {key: "1" for key in program if "timeout" in key or key in ("jobs", "checksum_jobs", "max_sessions")}
    others = {"url": f"{kind}://127.0.0.1:9/x" if kind else "../nowhere", "version_aware": "false", "worktree": "false"}
    settings = "".join(f"    {key} = {value}\n" for key, value in (program | asks | numbers | others).items())
    hostile.world.write(".dvc/config", f"[core]\n    remote = r\n['remote \"r\"']\n{settings}")
    hostile.world.empty_cache()
    for command in ("show", "verify", "remote check", "rollback"):
        code, out, said = run(hostile.world, *command.split(), *READS[command])
        assert hostile.is_quiet(), (command, out, said)
        assert code == 1 or command == "show"


def test_a_described_table_is_kept_in_the_cache_of_the_repository(
    three_versions: World, tmp_path: Path, run: Run
) -> None:
    hostile = Hostile(tmp_path, three_versions)
    hostile.world.write(".dvc/config", hostile.fill("[cache]\n    dir = {outside}/cache\n"))
    hostile.world.commit("from a stranger")
    assert run(hostile.world, "describe", *READS["describe"])[0] == 0
    assert (hostile.world.folder / "data/raw/table.csv.dvc").is_file()
    assert hostile.is_quiet()
    hostile.world.write("data/raw/plain.csv", "another")
    hostile.world.ok("dvc", "add", "data/raw/plain.csv")
    assert not hostile.is_quiet()


def test_a_restored_repository_starts_nothing(three_versions: World, tmp_path: Path, run: Run) -> None:
    hostile = Hostile(tmp_path, three_versions)
    hostile.world.write(".dvc/config", hostile.fill(CONFIG))
    hostile.world.write("aws.cfg", hostile.fill(AWS))
    hostile.world.commit("from a stranger")
    assert run(hostile.world, "backup", str(tmp_path / "kept"))[0] == 0
    assert run(tmp_path, "restore", str(tmp_path / "kept"), str(tmp_path / "again"))[0] == 0
    assert hostile.is_quiet()


def test_a_device_behind_a_link_is_no_object(three_versions: World, tmp_path: Path, run: Run) -> None:
    world = three_versions.copy(tmp_path / "world")
    md5 = world.md5("models/weights")
    world.write(".dvc/config", "[core]\n    remote = r\n['remote \"r\"']\n    url = ../store\n")
    world.empty_cache()
    object = world.folder / "store/files/md5" / md5[:2] / md5[2:]
    object.parent.mkdir(parents=True)
    object.symlink_to("/dev/zero")
    assert run(world, "verify")[0] == 1
    assert "it is no plain file" in run(world, "show", "HEAD")[1]


def test_what_was_ignored_is_one_line_with_keys_and_no_values(clone: Hostile, run: Run) -> None:
    _, out, said = run(clone.world, "verify")
    lines = [line for line in said.splitlines() if line.startswith("note: this repository may not decide")]
    assert len(lines) == 1
    assert "remote.cloud.configpath" in lines[0]
    assert "remote.cloud.credentialpath in .dvc/config.local" in lines[0]
    assert lines[0].endswith("run `stemma trust`")
    assert "aws.cfg" not in out + said


def test_an_import_from_another_repository_is_not_opened(three_versions: World, tmp_path: Path, run: Run) -> None:
    hostile = Hostile(tmp_path, three_versions)
    other = three_versions.copy(tmp_path / "other")
    other.write(".dvc/config", hostile.fill(CONFIG))
    other.write("reports/explain.json.dvc", "outs:\n- path: explain.json\n  md5: 0123456789abcdef0123456789abcdef\n")
    commit = other.commit("an output that is only in a bucket")
    world = hostile.world
    world.write("aws.cfg", hostile.fill(AWS))
    world.ok("git", "rm", "-q", "reports/evaluation.json")
    lock = (world.folder / "dvc.lock").read_text().replace("reports/evaluation.json", "reports/elsewhere.json")
    world.write("dvc.lock", lock)
    world.write("reports/evaluation.json.dvc", IMPORT.format(other=other.folder, commit=commit))
    world.commit("an import")
    code, out, said = run(world, "show", "HEAD")
    assert hostile.is_quiet()
    assert code == 0
    assert "reports/evaluation.json of HEAD is neither in the cache nor in a remote" in out + said
    world.run("dvc", "pull", "reports/evaluation.json.dvc")
    assert hostile.has_fired()


# What counts.


def loaded(root: Path, text: str, local: str | None = None) -> dict[str, Any]:
    (root / ".dvc").mkdir(exist_ok=True)
    (root / ".dvc/config").write_text(text)
    if local is not None:
        (root / ".dvc/config.local").write_text(local)
    return dict(trust.config(root))


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    root = tmp_path / "repository"
    root.mkdir()
    subprocess.run(["git", "init", "-q", str(root)], check=True)
    return root


@pytest.mark.parametrize("kind", [kind for kind in REMOTE_SCHEMAS if kind != "remote"])
def test_of_all_that_dvc_knows_of_a_kind_of_remote_only_the_table_counts(repository: Path, kind: str) -> None:
    known = {str(key) for key in REMOTE_SCHEMAS[kind]}
    assert known >= allowed.REMOTES[kind] - {"verify"}
    url = f"{kind}://host/x" if kind else "../x"
    values = dict.fromkeys(known, "true") | {"url": url, "type": "copy"}
    found = loaded(
        repository, "['remote \"r\"']\n" + "".join(f"    {key} = {value}\n" for key, value in values.items())
    )
    assert found["remote"]["r"].keys() == allowed.REMOTES[kind] & known
    secret = ("password", "secret", "token", "key_id", "keyfile", "path", "profile", "command", "ask_", "account_key")
    harmless = {"sse_kms_key_id", "exclude_shared_token_cache_credential"}
    assert not [key for key in found["remote"]["r"].keys() - harmless if any(word in key for word in secret)]


def test_of_other_sections_only_the_table_counts(repository: Path) -> None:
    text = ""
    for section, keys in SCHEMA.items():
        if section not in ("remote", "machine", "db", "feature"):
            names = [str(key) for key in keys]
            text += f"[{section}]\n" + "".join(f"    {name} = x\n" for name in names)
    found = loaded(repository, text + "['machine \"m\"']\n    startup_script = x\n['db \"d\"']\n    password = x\n")
    counted = {section: {*values} for section, values in found.items() if values}
    assert counted == {section: {*names} for section, names in allowed.SECTIONS.items()}


@pytest.mark.parametrize(
    ("setting", "counts"),
    [
        ("url = ssh://host.example.org:22/x", True),
        ("url = ssh://user@[::1]/x", True),
        ("url = ssh://-oProxyCommand=x/y", False),
        ("url = ssh://a@-oProxyCommand=x/y", False),
        ("url = ssh://$(x)/y", False),
        ("url = ext::sh -c x", False),
        ("url = dvc://x/y", False),
        ("url = git:x", False),
        ("url = remote://r/x", False),
        ("url = remote://other/x", True),
        ("url = file:///srv/dvc", True),
        ("url = ../shop-remote", True),
        ("url = /srv/dvc", True),
        ('url = "s3://b/\x1b[2J"', False),
        ("url = a, b", False),
    ],
)
def test_a_url_counts_if_it_is_of_a_known_kind_and_plain(repository: Path, setting: str, counts: bool) -> None:
    found = loaded(repository, f"['remote \"r\"']\n    {setting}\n")
    assert ("r" in found["remote"]) == counts


@pytest.mark.parametrize(
    ("setting", "counts"),
    [
        ("[cache]\n    dir = cache2", True),
        ("[cache]\n    dir = ../elsewhere/cache", False),
        ("[cache]\n    dir = ../../elsewhere", False),
        ("[cache]\n    dir = /var/cache", False),
        ("[cache]\n    dir = ~/cache", False),
        ("[cache]\n    dir = link", False),
        ("[hydra]\n    config_dir = ../conf", False),
        ("[hydra]\n    config_dir = settings", True),
    ],
)
def test_a_folder_counts_if_it_is_in_the_repository(repository: Path, setting: str, counts: bool) -> None:
    (repository / ".dvc").mkdir()
    (repository / ".dvc/link").symlink_to(repository.parent)
    found = loaded(repository, setting)
    assert bool(found["cache"] or found["hydra"]) == counts


@pytest.mark.parametrize(
    ("value", "counts"),
    [("true", True), ("/etc/ssl/own-ca.pem", True), ("false", False), ("ca.pem", False), ("{root}/ca.pem", False)],
)
def test_certificates_are_of_this_machine(repository: Path, value: str, counts: bool) -> None:
    value = value.replace("{root}", str(repository))
    found = loaded(repository, f"['remote \"r\"']\n    url = s3://b\n    ssl_verify = {value}\n")
    assert ("ssl_verify" in found["remote"]["r"]) == counts


LOCAL = "['remote \"r\"']\n    url = s3://b\n    secret_access_key = mine\n"


def test_the_users_own_levels_count_whole(
    repository: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DVC_GLOBAL_CONFIG_DIR", str(tmp_path / "global"))
    (tmp_path / "global").mkdir()
    (tmp_path / "global/config").write_text("['remote \"r\"']\n    profile = work\n[core]\n    site_cache_dir = /s\n")
    found = loaded(repository, "['remote \"r\"']\n    url = s3://b\n    region = x\n", LOCAL)
    assert found["core"]["site_cache_dir"] == "/s"
    assert found["remote"]["r"] == {"profile": "work", "url": "s3://b", "region": "x", "secret_access_key": "mine"}
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("name", ["config.local", "CONFIG.local"])
def test_a_config_local_that_git_tracks_is_the_repositorys(repository: Path, name: str) -> None:
    loaded(repository, "", LOCAL)
    (repository / ".dvc/config.local").rename(repository / ".dvc" / name)
    subprocess.run(["git", "add", "-f", f".dvc/{name}"], cwd=repository, check=True)
    (repository / ".dvc" / name).rename(repository / ".dvc/config.local")  # as on a disk that ignores case
    assert trust.config(repository)["remote"]["r"] == {"url": "s3://b"}


def test_without_git_nothing_is_the_users_own(tmp_path: Path) -> None:
    assert loaded(tmp_path, "", LOCAL)["remote"]["r"] == {"url": "s3://b"}


@pytest.mark.parametrize(
    "text", ["cache = x\n", "remote = x\n", "['remote \"r\"']\n[[x]]\ny = 1\n", "[core]\nremote = a, b\n"]
)
def test_a_configuration_of_another_shape_is_no_error_but_ignored(repository: Path, text: str) -> None:
    assert not any(loaded(repository, text).get("remote", {}).get("r", {}))


def test_a_configuration_that_cannot_be_read_is_one_line(repository: Path) -> None:
    with pytest.raises(VersionError, match="cannot be read") as caught:
        loaded(repository, "[core\n")
    assert "\n" not in str(caught.value)


# Trust.


def test_trust_covers_what_stood_there_and_other_settings_ask_anew(repository: Path) -> None:
    asks = "['remote \"r\"']\n    url = s3://b\n    configpath = ../aws.cfg\n"
    (repository / "aws.cfg").write_text("one")
    loaded(repository, asks)
    assert trust.trust(repository).trusted
    assert "configpath" in loaded(repository, asks)["remote"]["r"]
    assert "configpath" in loaded(repository, asks + "    region = x\n")["remote"]["r"]  # a harmless one asks nothing
    assert "configpath" not in loaded(repository, asks + "    profile = x\n")["remote"]["r"]
    (repository / "aws.cfg").write_text("two")
    assert "configpath" not in loaded(repository, asks)["remote"]["r"]
    assert not trust.state(repository).trusted
    (repository / "aws.cfg").write_text("one")
    assert trust.undo(repository)
    assert "configpath" not in loaded(repository, asks)["remote"]["r"]
    assert not trust.undo(repository)


def test_trust_is_of_the_place_and_no_copy_brings_it(repository: Path, tmp_path: Path) -> None:
    loaded(repository, "[core]\n    site_cache_dir = /s\n")
    trust.trust(repository)
    (tmp_path / "link").symlink_to(repository)
    assert trust.state(tmp_path / "link").trusted
    shutil.copytree(repository, tmp_path / "copy")
    assert not trust.state(tmp_path / "copy").trusted
    assert "site_cache_dir" not in trust.config(tmp_path / "copy")["core"]


def test_code_needs_trust_and_a_new_model_of_the_same_code_does_not_ask_again(
    three_versions: World, tmp_path: Path
) -> None:
    world = three_versions.copy(tmp_path / "world")
    world.write("src/stage.py", "raise SystemExit('error: it ran')\n")
    world.commit("code")
    with pytest.raises(VersionError, match=r"--format h5 runs what this repository brings of .*: run `stemma trust`"):
        export(world.folder, "HEAD", "h5", tmp_path / "out")
    trust.trust(world.folder)
    with pytest.raises(Exception, match="it ran"):
        export(world.folder, "HEAD", "h5", tmp_path / "out")
    world.write("params.yaml", (world.folder / "params.yaml").read_text() + "other: 1\n")
    world.commit("another model")
    with pytest.raises(Exception, match="it ran"):
        export(world.folder, "HEAD", "h5", tmp_path / "out")
    world.write("src/stage.py", "raise SystemExit('error: other code')\n")
    world.commit("other code, which was pulled")
    for revision in ("HEAD", "workspace"):
        with pytest.raises(VersionError, match="run `stemma trust`"):
            export(world.folder, revision, "h5", tmp_path / "out")
    world.ok("git", "checkout", "-q", "HEAD~2")
    (world.folder / "src/linked").symlink_to("/")
    world.commit("a link beside the code")
    with pytest.raises(VersionError, match="run `stemma trust`"):
        export(world.folder, "HEAD", "h5", tmp_path / "out")


OWN_CODE = {  # every command that starts what the repository brings
    "check": (),
    "compress": ("HEAD", "--budget", "roc_auc -0.002"),
    "export": ("HEAD", "--format", "h5", "--output", "../exported"),
    "search": (),
}


@pytest.mark.parametrize("command", OWN_CODE)
def test_a_command_that_starts_code_of_the_repository_asks_for_trust_first(
    three_versions: World, tmp_path: Path, command: str, run: Run
) -> None:
    world = three_versions.copy(tmp_path / "world")
    canary = tmp_path / "canary"
    world.write("src/stage.py", PLUGIN.format(canary=str(canary)))
    world.write("params.yaml", "data: {kind: theirs}\n")
    world.commit("code of a stranger")
    code, _, said = run(world, command, *OWN_CODE[command])
    assert (code, canary.exists()) == (1, False)
    assert f"error: stemma {command}" in said and said.endswith("run `stemma trust`\n")


def test_who_starts_code_of_the_repository_has_asked_for_trust() -> None:
    package = Path(trust.__file__).parents[1]
    sources = {path: path.read_text(encoding="utf-8") for path in package.rglob("*.py")}
    starts = [path for path, text in sources.items() if re.search(r"\bproject\.(run|heard|experiment)\(", text)]
    clone = package / "versions/compress/clone.py"  # of a version, for which versions/compress/search.py has asked
    assert [path for path in starts if path != clone and "trust.code(" not in sources[path]] == []
    assert len(starts) == len(OWN_CODE)


def test_the_command_trusts_shows_and_undoes(clone: Hostile, tmp_path: Path, run: Run) -> None:
    world = clone.world.copy(tmp_path / "world")
    world.write(".dvc/config", clone.fill(CONFIG))
    code, out, _ = run(world, "trust", "--show")
    assert code == 0
    assert "is not trusted on this machine, as it stands; it asks for:" in out
    assert "remote.dav.bearer_token_command" in out
    code, out, _ = run(world, "trust", "--json")
    assert json.loads(out)["trusted"] is True
    code, out, _ = run(world, "trust", "--show")
    assert "hydra_plugins" in out
    assert out.endswith("undo: `stemma trust --undo`\n")
    assert run(world, "trust", "--undo")[0] == 0
    assert run(world, "trust", "--undo")[0] == 1
    assert run(world, "trust", "--undo", "--show")[0] == 2
    assert clone.is_quiet()


def test_names_that_a_stranger_gave_cannot_speak_to_the_terminal(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    loaded(repository, "['remote \"\x1b[2J\"']\n    url = s3://b\n    profile = x\n")
    assert "\x1b" not in capsys.readouterr().err


def test_hydra_composes_without_the_repositorys_plugins(tmp_path: Path) -> None:
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf/config.yaml").write_text("a: 1\n")
    (tmp_path / "hydra_plugins").mkdir()
    (tmp_path / "hydra_plugins/evil.py").write_text("")
    loaded(tmp_path, "[hydra]\n    enabled = true\n")
    assert conf.compose(tmp_path) == "a: 1\n"
    assert trust.plugins(tmp_path) is None
    trust.trust(tmp_path)
    assert trust.plugins(tmp_path) == tmp_path
    (tmp_path / "hydra_plugins/evil.py").write_text("other = 1\n")
    assert trust.plugins(tmp_path) is None


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("x.dvc", STAGE_FILE),
        ("a\nb.dvc", STAGE_FILE),
        ("folder/x.dvc", STAGE_FILE.replace("fs_config", '"fs\\x5fconfig"')),
        ("y.dvc", STAGE_FILE.replace("outs:", "outs: [\n")),
    ],
)
@pytest.mark.parametrize("committed", [True, False])
def test_a_stage_file_with_settings_of_its_own_is_not_opened(
    three_versions: World, tmp_path: Path, name: str, text: str, committed: bool, run: Run
) -> None:
    world = three_versions.copy(tmp_path / "world")
    world.write(name, text)
    world.git("add", "-A")
    if committed:
        world.commit("a stage file of a stranger")
        world.ok("git", "rm", "-q", name)
        world.commit("without it")
    code, _, said = run(world, "rollback", "HEAD~1", "--dry-run")
    assert code == 1
    assert "has settings of its own (fs_config)" in said
    assert "AWS_CONFIG_FILE" not in os.environ
