"""The CI of a stamped project: its files fit their schemas, and their commands do what they are there for."""

import http.server
import importlib.util
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from judged import packaged, parquet, predictions, prepared, profile
from version_worlds import IN_GIT, STAGES, World, new
from worlds import ROOT

CI = ROOT / "template/ci"
WORKFLOWS = sorted((CI / "github").glob("*.yml"))
TAG = "model#prod#3"
TOKEN = {"COMMENT_TOKEN": "secret"}


def load(name: str) -> dict[Any, Any]:
    return dict(yaml.safe_load((CI / name).read_text(encoding="utf-8")))


def github(workflow: str, job: str, step: str) -> str:
    """The command of a step."""
    steps = load(f"github/{workflow}.yml")["jobs"][job]["steps"]
    return str(next(each["run"] for each in steps if each.get("name") == step))


def gitlab(job: str, part: str = "script") -> str:
    return "\n".join(load("gitlab.yml")[job][part])


def jenkins(stage: str) -> list[str]:
    """The `sh` commands of a stage, in order."""
    text = (CI / "Jenkinsfile").read_text(encoding="utf-8")
    part = text.split(f"stage('{stage}')")[1].split("stage('")[0]
    return [first or second for first, second in re.findall(r"sh '''(.*?)'''|sh '(.*?)'", part, re.DOTALL)]


# The files


def test_the_workflows_and_the_pipeline_fit_their_schemas() -> None:
    for schema, files in (("github-workflows", WORKFLOWS), ("gitlab-ci", [CI / "gitlab.yml"])):
        command = ["check-jsonschema", "--builtin-schema", f"vendor.{schema}", *map(str, files)]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout


def test_a_linter_finds_no_hole_in_the_workflows() -> None:
    command = ["zizmor", "--offline", "--quiet", "--persona=pedantic", *map(str, WORKFLOWS)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_actions_are_pinned_to_a_commit_and_say_its_version() -> None:
    uses = [line for file in WORKFLOWS for line in file.read_text().splitlines() if "uses:" in line]
    assert len(uses) >= 8
    assert [line for line in uses if not re.search(r"uses: actions/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$", line)] == []


def test_no_expression_reaches_a_shell() -> None:
    for file in WORKFLOWS:
        for job in yaml.safe_load(file.read_text())["jobs"].values():
            assert [step["run"] for step in job["steps"] if "${{" in step.get("run", "")] == []
    commands = re.findall(r"sh (\"+)", (CI / "Jenkinsfile").read_text())
    assert commands == []  # Groovy fills in variables between double quotes only


def test_secrets_go_only_to_the_steps_that_fetch() -> None:
    for file in WORKFLOWS:
        workflow = yaml.safe_load(file.read_text())
        assert "secrets." not in json.dumps(workflow.get("env", {}))
        for job in workflow["jobs"].values():
            assert "secrets." not in json.dumps(job.get("env", {}))
            assert [s.get("name") for s in job["steps"] if "secrets." in json.dumps(s)] in ([], ["Compare"], ["Build"])


def test_a_job_that_may_write_installs_nothing() -> None:
    jobs = [job for file in WORKFLOWS for job in yaml.safe_load(file.read_text())["jobs"].values()]
    writing = [job for job in jobs if "write" in (job.get("permissions") or {}).values()]
    assert len(writing) == 2
    assert "head.repo.full_name == github.repository" in load("github/model.yml")["jobs"]["comment"]["if"]
    assert [step for job in writing for step in job["steps"] if "pip" in step.get("run", "")] == []


def test_the_whole_history_is_there_where_versions_are_read() -> None:
    for workflow, job in (("model", "compare"), ("release", "build")):
        checkout = load(f"github/{workflow}.yml")["jobs"][job]["steps"][0]
        assert checkout["uses"].startswith("actions/checkout@") and checkout["with"]["fetch-depth"] == 0
    assert load("gitlab.yml")["variables"]["GIT_DEPTH"] == "0"


def test_the_python_version_stands_once_in_each_file() -> None:
    for file in WORKFLOWS:
        assert file.read_text().count('python-version: "3.11"') <= 1
    assert [(CI / name).read_text().count("python:3.11") for name in ("gitlab.yml", "Jenkinsfile")] == [1, 1]


FILES = {
    "github": {f".github/workflows/{name}.yml" for name in ("ci", "model", "release")},
    "gitlab": {".gitlab-ci.yml"},
    "jenkins": {"Jenkinsfile"},
    "none": set(),
}


@pytest.mark.parametrize("ci", FILES)
def test_a_project_has_the_files_of_its_ci_and_their_python(plan: Callable[..., dict[str, bytes]], ci: str) -> None:
    stamped = plan(ci=ci, python_version="3.13", package_name="my_shop")
    found = {name for names in FILES.values() for name in names if name in stamped}
    assert found == FILES[ci]
    versions = [re.findall(rb'python(?:-version)?: ?"?(3\.\d+)', stamped[name]) for name in found]
    assert versions == [[b"3.13"]] * len(found)
    assert {name for name in stamped if ".ci/" in name} == ({".ci/report.py", ".ci/comment.py"} if found else set())


@pytest.mark.parametrize("ci", ["github", "gitlab", "jenkins"])
def test_a_machine_without_a_gpu_installs_pytorch_without_cuda(plan: Callable[..., dict[str, bytes]], ci: str) -> None:
    for framework in ("torch", "tensorflow"):
        stamped = plan(ci=ci, framework=framework)
        text = b"".join(stamped[name] for name in FILES[ci])
        assert (text.count(b"whl/cpu"), text.count(b"PIP_EXTRA")) == ((1, 1) if framework == "torch" else (0, 0))


def test_jenkins_is_asked_for_keys_only_where_there_is_a_bucket(plan: Callable[..., dict[str, bytes]]) -> None:
    kept = {remote: plan(ci="jenkins", remote=remote, s3_bucket="mine")["Jenkinsfile"] for remote in ("local", "s3")}
    assert b"aws" not in kept["local"].lower() and b"comment-token" in kept["local"]
    assert kept["s3"] == (CI / "Jenkinsfile").read_bytes()


INSIDE = {  # what a declarative pipeline may hold: jenkins.io/doc/book/pipeline/syntax
    "pipeline": {"agent", "options", "environment", "stages", "post", "parameters", "triggers", "tools"},
    "stages": {"stage"},
    "stage": {"agent", "options", "environment", "when", "steps", "stages", "post", "tools", "input"},
    "post": {"always", "failure", "success", "unstable", "changed", "cleanup"},
    "when": {"not", "anyOf", "allOf", "expression", "changeRequest", "buildingTag", "tag", "branch"},
    "options": {"timeout", "disableConcurrentBuilds"},
}


def test_the_jenkinsfile_is_groovy_and_a_declarative_pipeline() -> None:
    import tree_sitter
    import tree_sitter_groovy

    parser = tree_sitter.Parser(tree_sitter.Language(tree_sitter_groovy.language()))
    text = (CI / "Jenkinsfile").read_bytes()
    tree = parser.parse(text).root_node
    assert not tree.has_error
    assert parser.parse(text.replace(b"stages {", b"stages", 1)).root_node.has_error
    assert [name for node in tree.named_children for name, _ in blocks(node)] == ["pipeline"]
    found = {(outer, inner) for node in tree.named_children for outer, inner in pairs(node)}
    assert {outer for outer, _ in found} >= {"pipeline", "stages", "stage", "when", "post"}
    assert [(outer, inner) for outer, inner in found if outer in INSIDE and inner not in INSIDE[outer]] == []


def blocks(node: Any) -> Iterator[tuple[str, Any]]:
    """The calls right under a node: their name, and the closure that they are given (None without one)."""
    if node.type in ("method_invocation", "juxt_function_call", "function_call", "declaration"):
        name = node.child_by_field_name("name") or node.child_by_field_name("function")
        closures = [each for each in walk(node) if each.type == "closure"]
        if name is not None:
            yield name.text.decode(), closures[0] if closures else None
            return
    for child in node.named_children:
        yield from blocks(child)


def walk(node: Any) -> Iterator[Any]:
    for child in node.named_children:
        yield child
        yield from walk(child)


def pairs(node: Any) -> Iterator[tuple[str, str]]:
    """(what holds it, what is held) of every call."""
    for name, closure in blocks(node):
        if closure is not None:
            yield from ((name, inner) for child in closure.named_children for inner, _ in blocks(child))
            for child in closure.named_children:
                yield from pairs(child)


# The commands


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A model on main; branches `worse`, `better` on other data, `page` with the same model; pull/NAME merges NAME.

    `start` is the commit before the first model. Every object is in the remote but those of `unpushed`.
    """
    world = new(tmp_path_factory.mktemp("ci") / "project")
    _judge_metrics(world)
    world.ok("git", "branch", "start")
    _model(world, "first", noise=0.5, roc_auc=0.85)
    for name, noise, roc_auc, content in (("worse", 2.0, 0.7, "c0"), ("better", 0.2, 0.92, "c1")):
        world.ok("git", "checkout", "-qb", name, "main")
        _model(world, name, noise, roc_auc, content)
    world.ok("git", "checkout", "-qb", "unpushed", "main")
    kept = {path for path in world.remote.rglob("*") if path.is_file()}
    _model(world, "unpushed", noise=0.6, roc_auc=0.84)
    for path in {path for path in world.remote.rglob("*") if path.is_file()} - kept:
        path.unlink()
    world.ok("git", "checkout", "-qb", "page", "main")
    world.write("page.md", "A page.\n")
    world.commit("a page")
    for name in ("worse", "better", "unpushed", "page"):
        world.ok("git", "checkout", "-qb", f"pull/{name}", "main")
        world.git("merge", "-q", "--no-ff", "-m", f"Merge {name}", name)
    world.ok("git", "checkout", "-q", "main")
    return world


def _judge_metrics(world: World) -> None:
    """Let `dvc metrics` read reports/metrics.json; a scaffolded project's .ci lies there too."""
    pipeline = yaml.safe_load((world.folder / "dvc.yaml").read_text())
    outs = pipeline["stages"]["evaluate"]["outs"]
    pipeline["stages"]["evaluate"]["outs"] = [out for out in outs if "reports/metrics.json" not in out]
    pipeline["stages"]["evaluate"]["metrics"] = [{"reports/metrics.json": {"cache": False}}]
    world.write("dvc.yaml", yaml.safe_dump(pipeline, sort_keys=False))
    for name in ("report.py", "comment.py"):
        world.write(f".ci/{name}", (CI / name).read_bytes())
    world.commit("the pipeline")


def _model(world: World, message: str, noise: float, roc_auc: float, content: str = "c0") -> str:
    for path in STAGES["train"]:
        world.write(f"{path}/index.json" if path not in IN_GIT else path, json.dumps({"of": message}))
    world.write("data/prepared/profile.json", json.dumps(profile("binary", content)))
    world.write("data/prepared/test.parquet", parquet(prepared("binary")))
    world.write("reports/predictions.parquet", parquet(predictions("binary", noise)))
    world.write("reports/metrics.json", json.dumps({"test": {"roc_auc": roc_auc}}))
    (world.folder / "models/package").mkdir(parents=True, exist_ok=True)
    packaged(world.folder / "models/package/model.zip", "binary", weight=2.0 - noise)
    return world.keep(message)


def checkout(world: World, revision: str, folder: Path) -> World:
    """What CI has: a whole clone, detached, with an empty cache, beside the same remote."""
    world.ok("git", "clone", "-q", str(world.folder), str(folder / "clone"))
    clone = World(folder / "clone")
    (folder / world.remote.name).symlink_to(world.remote)
    clone.ok("git", "checkout", "-q", "--detach", f"origin/{revision}")
    return clone


def bash(world: World, script: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return world.run("bash", "-e", "-o", "pipefail", "-c", script, **environment)


def fake(folder: Path, *programs: str) -> dict[str, str]:
    """Programs that write down what they were called with, one argument a line, and do nothing. The environment."""
    folder.mkdir(exist_ok=True)
    for program in programs:
        path = folder / program
        path.write_text(f'#!/bin/sh\nprintf "%s\\n" {program} "$@" >> "$CALLS"\necho >> "$CALLS"\n')
        path.chmod(0o755)
    return {"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}", "CALLS": str(folder / "calls")}


def calls(environment: dict[str, str]) -> list[list[str]]:
    return [call.split("\n") for call in Path(environment["CALLS"]).read_text().strip().split("\n\n")]


class Host:
    """GitHub and GitLab, as far as comments go: 150 of other people, then ours."""

    def __init__(self) -> None:
        self.comments = [{"id": number, "body": "Looks good."} for number in range(150)]
        self.asked: list[tuple[str, str, dict[str, str]]] = []
        host = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                page = int(re.findall(r"[?&]page=(\d+)", self.path)[0])
                self.answer(host.comments[100 * (page - 1) : 100 * page])

            def do_POST(self) -> None:
                host.comments.append({"id": len(host.comments), "body": self.body()})
                self.answer({}, 201)

            def do_PATCH(self) -> None:
                host.comments[int(self.path.rsplit("/", 1)[1])]["body"] = self.body()
                self.answer({})

            do_PUT = do_PATCH

            def body(self) -> str:
                return str(json.loads(self.rfile.read(int(self.headers["Content-Length"])))["body"])

            def answer(self, content: Any, code: int = 200) -> None:
                host.asked.append(
                    (self.command, self.path.split("?")[0], {k.upper(): v for k, v in self.headers.items()})
                )
                if "secret" not in str(self.headers):
                    code, content = 401, {"message": "Bad credentials"}
                self.send_response(code)
                self.end_headers()
                self.wfile.write(json.dumps(content).encode())

            def log_message(self, *_: Any) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def host() -> Iterator[Host]:
    made = Host()
    yield made
    made.server.shutdown()
    made.server.server_close()


def test_a_worse_model_fails_the_check_and_its_figures_become_one_comment(
    world: World, host: Host, tmp_path: Path
) -> None:
    clone = checkout(world, "pull/worse", tmp_path)
    done = bash(clone, github("model", "compare", "Compare"))
    assert done.returncode == 1, done.stderr
    report = (clone.folder / "report.md").read_text()
    assert re.search(r"\| reports/metrics.json \| test.roc_auc +\| 0.85 +\| 0.7 +\| -0.15 +\|", report)
    assert re.search(r"\w{7} is worse than \w{7}: roc_auc", report)
    there = {"GITHUB_ACTIONS": "true", "GITHUB_API_URL": host.address, "GITHUB_REPOSITORY": "me/shop"}
    post = github("model", "comment", "Post")
    for text in (report, "Another report"):
        (clone.folder / "report.md").write_text(text)
        posted = bash(clone, post, GITHUB_REF="refs/pull/7/merge", **TOKEN, **there)
        assert posted.returncode == 0, posted.stderr
        assert [each["body"] for each in host.comments[150:]] == [f"<!-- report on the model -->\n{text}"]
    assert [ask[:2] for ask in host.asked if ask[0] != "GET"] == [
        ("POST", "/repos/me/shop/issues/7/comments"),
        ("PATCH", "/repos/me/shop/issues/comments/150"),
    ]
    assert host.asked[0][2]["AUTHORIZATION"] == "Bearer secret"


def test_a_model_of_other_data_is_judged_on_the_new_test_rows(world: World, tmp_path: Path) -> None:
    clone = checkout(world, "pull/better", tmp_path)
    done = bash(clone, github("model", "compare", "Compare"))
    report = (clone.folder / "report.md").read_text()
    assert done.returncode == 0, report
    assert "The data changed: both are run on the new test rows" in report and "| roc_auc" in report


def test_a_model_that_nobody_pushed_does_not_pass(world: World, tmp_path: Path) -> None:
    clone = checkout(world, "pull/unpushed", tmp_path)
    done = bash(clone, github("model", "compare", "Compare"))
    report = (clone.folder / "report.md").read_text()
    assert done.returncode == 1 and "-0.01" in report
    assert re.search(r"`stemma compare .*` failed:\n\n```\nerror: .*predictions.parquet", report)


def test_the_same_model_passes_and_nothing_is_fetched(world: World, host: Host, tmp_path: Path) -> None:
    clone = checkout(world, "pull/page", tmp_path)
    base = clone.ok("git", "rev-parse", "origin/main")
    done = bash(clone, gitlab("not-worse"), CI_MERGE_REQUEST_DIFF_BASE_SHA=base)
    assert done.returncode == 0, done.stderr
    assert f"It is the same in {base[:7]} and" in (clone.folder / "report.md").read_text()
    assert not (clone.folder / ".dvc/cache").exists()
    there = {"GITLAB_CI": "true", "CI_API_V4_URL": host.address, "CI_MERGE_REQUEST_PROJECT_ID": "5"}
    after = gitlab("not-worse", "after_script")
    posted = bash(clone, after, CI_MERGE_REQUEST_IID="9", **TOKEN, **there)
    assert posted.returncode == 0 and "### The model" in posted.stdout, posted.stderr
    assert host.asked[-1][:2] == ("POST", "/projects/5/merge_requests/9/notes")
    assert host.asked[-1][2]["PRIVATE-TOKEN"] == "secret"
    forked = bash(clone, after, CI_MERGE_REQUEST_IID="9", **there)
    assert forked.returncode == 0 and "COMMENT_TOKEN is not set: the report is not posted" in forked.stderr


def test_the_first_model_passes(world: World, tmp_path: Path) -> None:
    clone = checkout(world, "main", tmp_path)
    (tmp_path / "stemma/bin").mkdir(parents=True)
    (tmp_path / "stemma/bin/activate").write_text("")
    (command,) = [line for line in jenkins("Not worse") if "report.py" in line]
    done = clone.run("sh", "-xe", "-c", command, WORKSPACE_TMP=str(tmp_path), CHANGE_TARGET="start")
    assert done.returncode == 0, done.stderr
    report = (clone.folder / "report.md").read_text()
    assert "There is none in" in report and "0.85" in report
    done = clone.run("sh", "-xe", "-c", command, WORKSPACE_TMP=str(tmp_path), CHANGE_TARGET="$(touch here)")
    assert done.returncode != 0 and not (clone.folder / "here").exists()


def test_a_shallow_clone_is_told_to_fetch_the_history(world: World, tmp_path: Path) -> None:
    clone = checkout(world, "main", tmp_path)
    done = clone.run(sys.executable, ".ci/report.py", "4" * 40)
    assert done.returncode == 1
    assert done.stderr == f"error: there is no commit '{'4' * 40}' here: fetch the whole history\n"


@pytest.mark.parametrize("where", ["github", "gitlab", "jenkins"])
def test_the_bundle_of_the_tag_is_built_whatever_the_tag_holds(world: World, tmp_path: Path, where: str) -> None:
    environment = fake(tmp_path / "bin", "stemma", "curl")
    (tmp_path / "stemma/bin").mkdir(parents=True)
    (tmp_path / "stemma/bin/activate").write_text("")
    script, variable = {
        "github": (github("release", "build", "Build"), "GITHUB_REF_NAME"),
        "gitlab": (gitlab("bundle"), "CI_COMMIT_TAG"),
        "jenkins": ("\n".join(jenkins("Bundle")), "TAG_NAME"),
    }[where]
    there = {"CI_API_V4_URL": "https://host/api/v4", "CI_PROJECT_ID": "5", "CI_JOB_TOKEN": "secret"}
    place = World(tmp_path)
    for tag in (TAG, "model#prod#$(touch here) `touch here`;touch here"):
        done = bash(place, script, WORKSPACE_TMP=str(tmp_path), **{variable: tag}, **there, **environment)
        assert done.returncode == 0, done.stderr
        assert ["stemma", "bundle", "build", tag, "--output", "model.zip"] in calls(environment)
        assert ["stemma", "show", tag, "--md"] in calls(environment)
        assert not (tmp_path / "here").exists()
    if where == "gitlab":
        upload = next(call for call in calls(environment) if call[0] == "curl")
        assert upload[-1] == "https://host/api/v4/projects/5/packages/generic/model/prod-3/model.zip"
        assert "JOB-TOKEN: secret" in upload and "--fail" in upload


def test_a_clone_with_an_empty_cache_builds_the_bundle(world: World, tmp_path: Path) -> None:
    clone = checkout(world, "main", tmp_path)
    clone.tag(TAG)
    done = bash(clone, github("release", "build", "Build"), GITHUB_REF_NAME=TAG)
    assert done.returncode == 0, done.stderr
    assert (clone.folder / "model.zip").read_bytes()[:2] == b"PK"
    assert TAG.replace("#", "\\#") in (clone.folder / "notes.md").read_text()


def test_a_release_is_made_once(tmp_path: Path) -> None:
    environment = fake(tmp_path / "bin", "gh")
    script, place = github("release", "publish", "Publish"), World(tmp_path)
    done = bash(place, script, GITHUB_REF_NAME=TAG, GH_REPO="me/shop", **environment)
    assert done.stdout == f"{TAG} is published already\n"
    assert calls(environment) == [["gh", "api", "--silent", "repos/me/shop/releases/tags/model%23prod%233"]]
    gh = (tmp_path / "bin/gh").read_text()
    (tmp_path / "bin/gh").write_text(f'{gh}[ "$1" != api ]\n')
    assert bash(place, script, GITHUB_REF_NAME=TAG, GH_REPO="me/shop", **environment).returncode == 0
    assert calls(environment)[-1][:6] == ["gh", "release", "create", TAG, "model.zip", "--verify-tag"]


def test_what_starts_a_release_is_the_promotion_to_production() -> None:
    (pattern,) = load("github/release.yml")[True]["push"]["tags"]  # YAML 1.1 reads `on` as true
    rules = [rule["if"] for rule in load("gitlab.yml")["workflow"]["rules"]]
    (expression,) = re.findall(r"\$CI_COMMIT_TAG =~ /(.*)/", "\n".join(rules))
    (regexp,) = re.findall(r"tag pattern: '(.*)', comparator: 'REGEXP'", (CI / "Jenkinsfile").read_text())
    for found in (pattern, expression, regexp):  # in GitHub's patterns [0-9] and + are what they are in an expression
        names = (TAG, "model#prod#12", "model#prod!#2", "model@v1.0.0", "model#prod#", "my-model#prod#1", "model#dev#1")
        assert [name for name in names if re.fullmatch(found.strip("^$"), name)] == [TAG, "model#prod#12"]


# comment.py


@pytest.fixture(scope="module")
def comment() -> ModuleType:
    spec = importlib.util.spec_from_file_location("comment", CI / "comment.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["comment"] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("address", "comments"),
    [
        ("https://github.com/me/shop/pull/7", "https://api.github.com/repos/me/shop/issues/7/comments"),
        ("https://git.example.org/me/shop/pull/7", "https://git.example.org/api/v3/repos/me/shop/issues/7/comments"),
        (
            "https://gitlab.com/group/part/shop/-/merge_requests/9",
            "https://gitlab.com/api/v4/projects/group%2Fpart%2Fshop/merge_requests/9/notes",
        ),
    ],
)
def test_jenkins_names_the_request_by_its_address(comment: ModuleType, address: str, comments: str) -> None:
    assert comment.place_of({"CHANGE_URL": address}, "secret").comments == comments


def test_another_host_is_refused_in_a_line(comment: ModuleType) -> None:
    with pytest.raises(SystemExit, match=r"^error: neither GitHub nor GitLab: CHANGE_URL is 'https://example.org/7'$"):
        comment.place_of({"CHANGE_URL": "https://example.org/7"}, "secret")


def test_a_refused_token_is_one_line(comment: ModuleType, host: Host, tmp_path: Path, monkeypatch: Any) -> None:
    (tmp_path / "report.md").write_text("A report")
    for name, value in {"COMMENT_TOKEN": "wrong", "GITHUB_ACTIONS": "true", "GITHUB_API_URL": host.address}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("GITHUB_REPOSITORY", "me/shop")
    monkeypatch.setenv("GITHUB_REF", "refs/pull/7/merge")
    with pytest.raises(SystemExit, match=r"^error: GET http://\S+: 401 .*Bad credentials"):
        comment.main(tmp_path / "report.md")


def test_it_needs_only_the_standard_library() -> None:
    modules = set(re.findall(r"^(?:import|from) (\w+)", (CI / "comment.py").read_text(), re.MULTILINE))
    assert modules <= sys.stdlib_module_names
