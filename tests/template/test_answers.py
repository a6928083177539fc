"""Answers: what is refused, by which rule, and that whatever is accepted is a name that works."""

import importlib.metadata
import json
import keyword
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stemma.describe.write import NAME, TAKEN
from template import answers as rule
from worlds import ROOT

Answers = Callable[..., dict[str, str]]
QUESTIONS = json.loads((ROOT / "cookiecutter.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"package_name": "2nd"}, "package_name=2nd: small letters, digits and _, a letter first"),
        ({"package_name": "class"}, "no keyword, such as package_name=my_package"),
        ({"package_name": "match"}, "no keyword"),
        ({"package_name": "my-package"}, "small letters"),
        ({"package_name": "käufer"}, "small letters"),
        ({"package_name": "json"}, "it would hide a module of that name, such as package_name=json_project"),
        ({"package_name": "torch"}, "it would hide"),
        ({"package_name": "stemma"}, "it would hide"),
        ({"package_name": "test"}, "it would hide"),
        ({"package_name": "yaml"}, "it would hide"),
        ({"package_name": "tasks"}, "it would hide"),
        ({"package_name": 3}, "package_name=3: a text"),
        ({"project_slug": "../away"}, "project_slug=../away: small letters, digits and hyphens"),
        ({"project_slug": ""}, "small letters, digits and hyphens, at most 50, such as project_slug=visitor-intent"),
        ({"project_slug": "con"}, "small letters"),
        ({"project_slug": "torch"}, "it would hide a package that is installed with it, such as project_slug=torch-pr"),
        ({"project_slug": "hydra-core"}, "it would hide a package"),
        ({"project_name": ""}, "a line of 1 to 100 characters"),
        ({"description": 'say "yes"'}, 'one line without " \\'),
        ({"description": "a\nb"}, "one line without"),
        ({"author": " "}, "no spaces around it"),
        ({"author": None}, "author=None: a text"),
        ({"framework": {"torch": "x"}}, "there are both, torch, tensorflow"),
        ({"framework": "jax"}, "framework=jax: there are both, torch, tensorflow, such as framework=both"),
        ({"licence": "mit"}, "there are MIT, Apache-2.0"),
        ({"data": "images"}, "there are simulated, csv, digits"),
        ({"ci": "travis"}, "there are github, gitlab, jenkins, none"),
        ({"python_version": "3.10"}, "there are 3.11, 3.12, 3.13"),
        ({"remote": "s3"}, "s3_bucket=: the bucket's name"),
        ({"remote": "s3", "s3_bucket": "My_Bucket"}, "such as s3_bucket=my-bucket/models"),
        ({"remote": "s3", "s3_bucket": "bucket", "s3_endpoint": "minio:9000"}, "the server's address with http"),
        ({"remote": "s3", "s3_bucket": "bucket", "s3_endpoint": "https://me:secret@host"}, "no password"),
        ({"remote": "s3", "s3_bucket": "bucket", "s3_endpoint": "https://[::1"}, "the server's address with http"),
        ({"remote": "s3", "s3_bucket": "bucket", "s3_endpoint": "https://a#b"}, "the server's address with http"),
        ({"remote": "s3", "s3_bucket": "bucket", "s3_endpoint": "https://a,b"}, "the server's address with http"),
        ({"s3_bucket": "bucket"}, "remote=local: s3_bucket is given, so the remote is on S3, such as remote=s3"),
        ({"csv_path": "visits.csv"}, "data=simulated: csv_path is given"),
        ({"data": "csv"}, "csv_path=: a file that ends in .csv"),
        ({"data": "csv", "csv_path": "visits.xlsx", "csv_target": "y"}, "a file that ends in .csv"),
        ({"data": "csv", "csv_path": "visits.csv"}, "csv_target=: the name of the column to predict"),
        ({"data": "csv", "csv_path": "visits.csv", "csv_target": "it's"}, "without quotes or"),
        ({"data": "csv", "csv_path": "~nobody-here/a.csv", "csv_target": "y"}, "there is no such file"),
        ({"data": "csv", "csv_path": "a" * 300 + "/a.csv", "csv_target": "y"}, "there is no such file"),
        ({"data": "csv", "csv_path": "visits.csv", "csv_target": "y"}, "csv_path=visits.csv: there is no such file"),
    ],
)
def test_a_wrong_answer_is_refused_in_a_line_with_the_rule_and_an_example(
    answers: Answers, changes: dict[str, str], reason: str
) -> None:
    with pytest.raises(rule.WrongAnswer) as refused:
        rule.check(answers(**changes))
    text = str(refused.value)
    assert reason in text and ", such as " in text
    assert "\n" not in text


def test_the_defaults_are_accepted_and_every_choice_is_named_where_it_is_asked(answers: Answers) -> None:
    assert rule.check(answers()) == ""
    asked = {key for key in QUESTIONS if not key.startswith("_")}
    assert asked == {key for key in answers() if not key.startswith("_")} == set(QUESTIONS["__prompts__"])
    for key, choices in rule.CHOICES.items():
        assert QUESTIONS[key] == choices[0]
        assert [choice for choice in choices if choice not in QUESTIONS["__prompts__"][key]] == []


@pytest.mark.parametrize("endpoint", ["http://localhost:9000", "https://[::1]:9000", "https://s3.a-b.org/minio/", ""])
def test_an_address_of_a_server_is_accepted(answers: Answers, endpoint: str) -> None:
    assert rule.check(answers(remote="s3", s3_bucket="s3://bucket", s3_endpoint=endpoint)) == ""


@pytest.mark.parametrize("content", [b"no gzip", b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03cut"])
def test_a_table_that_cannot_be_read_is_refused_in_a_line(answers: Answers, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "visits.csv.gz").write_bytes(content)
    with pytest.raises(rule.WrongAnswer, match="it cannot be read"):
        rule.check(answers(data="csv", csv_path=str(tmp_path / "visits.csv.gz"), csv_target="y"))


def test_a_column_of_any_name_gives_a_description_that_is_accepted(answers: Answers) -> None:
    assert rule.asked("Revenue") == "What is Revenue?"
    for target in ("Price ($)", "<50K", "a|b"):
        assert rule.COLUMN.fullmatch(target)
        rule.rules(answers(data="csv", csv_path="a.csv", csv_target=target, description=rule.asked(target)))


def test_every_module_that_is_installed_is_refused() -> None:
    installed = {name for name in importlib.metadata.packages_distributions() if rule.PACKAGE.fullmatch(name)}
    assert installed - rule.taken() - {"purchase_intent"} == set()


@settings(deadline=None)
@given(st.text(max_size=40) | st.from_regex(rule.PACKAGE, fullmatch=True))
def test_an_accepted_package_name_is_an_identifier_of_plain_small_letters(name: str) -> None:
    if rule.PACKAGE.fullmatch(name) and name not in rule.taken():
        assert name.isidentifier() and name.isascii() and name == name.lower() and not name.startswith("_")
        assert keyword.iskeyword(name) or name not in keyword.kwlist


@pytest.mark.parametrize(
    ("file", "content", "columns"),
    [
        ("a.csv", b"x,y\n1,2\n", ["x", "y"]),
        ("a.tsv", b"x\ty z\n", ["x", "y z"]),
        ("a.txt", "größe;y\n".encode("latin-1"), ["größe", "y"]),
        ("a.csv", "\ufeffx;\"y, z\"\r\n".encode(), ["x", "y, z"]),
        ("a.csv", "x|y\n".encode("utf-16"), ["x", "y"]),
        ("a.parquet", b"PAR1", []),
        ("a.csv", b"", []),
    ],
)  # fmt: skip
def test_the_columns_of_a_table_are_read_whatever_its_separator(
    file: str, content: bytes, columns: list[str], tmp_path: Path
) -> None:
    (tmp_path / file).write_bytes(content)
    assert rule.header(tmp_path / file) == columns


def test_a_target_that_is_no_column_is_refused_with_the_columns(answers: Answers, tmp_path: Path) -> None:
    (tmp_path / "visits.csv").write_text("a,Revenue\n1,2\n", encoding="utf-8")
    own = answers(data="csv", csv_path=str(tmp_path / "visits.csv"), csv_target="revenue")
    with pytest.raises(rule.WrongAnswer, match=r"visits.csv has the columns a, Revenue, such as csv_target=Revenue"):
        rule.check(own)
    assert rule.check(own | {"csv_target": "Revenue"}) == (tmp_path / "visits.csv").as_posix()


@settings(deadline=None)
@given(st.from_regex(rule.FILE, fullmatch=True).filter(lambda name: "\n" not in name))
def test_any_file_gives_its_settings_a_name_that_describe_takes(file: str) -> None:
    name = rule.table_name(file)
    assert NAME.fullmatch(name) and name not in TAKEN | {"simulated", "csv", "digits", "diabetes"}
