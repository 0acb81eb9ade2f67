"""The files that describe the repository agree with each other and with what they describe."""

import json
import re
import shlex
import tomllib
from pathlib import Path
from typing import Any, Final

import pytest
import yaml  # type: ignore[import-untyped]
from trove_classifiers import classifiers

ROOT: Final = Path(__file__).parents[2]
PROJECT: Final = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
METADATA: Final = PROJECT["project"]
PACKAGES: Final = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
WORKFLOWS: Final = tuple(sorted((ROOT / ".github/workflows").glob("*.yml")))
FORMS: Final = tuple(
    path
    for path in sorted((ROOT / ".github/ISSUE_TEMPLATE").glob("*.yml"))
    if "config" not in path.name
)
FORM_FIELDS: Final = {"checkboxes", "dropdown", "input", "markdown", "textarea"}
BROWSER: Final = ROOT / "tests/browser"
PYTHON: Final = "Programming Language :: Python :: "


def read(path: Path) -> Any:  # noqa: ANN401 - whatever the YAML holds
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def jobs(path: Path) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = read(path)["jobs"]
    return found


def commands(path: Path) -> list[list[str]]:
    """The words of every line that a workflow runs."""
    return [
        shlex.split(line)
        for job in jobs(path).values()
        for step in job["steps"]
        for line in step.get("run", "").splitlines()
    ]


def pythons(path: Path) -> list[str]:
    """The Python versions that a workflow's matrices have."""
    matrices = [job.get("strategy", {}).get("matrix", {}) for job in jobs(path).values()]
    return [version for matrix in matrices for version in matrix.get("python", [])]


def classified() -> list[str]:
    """The Python versions that the classifiers name."""
    found = [re.fullmatch(rf"{PYTHON}(3\.\d+)", line) for line in METADATA["classifiers"]]
    return [match[1] for match in found if match]


@pytest.mark.parametrize("path", WORKFLOWS, ids=name)
def test_a_workflow_makes_what_the_makefile_has(path: Path) -> None:
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    made = [words[1:] for words in commands(path) if words[0] == "make"]
    assert made
    assert not [words for words in made if words[0] not in targets]


@pytest.mark.parametrize("path", WORKFLOWS, ids=name)
def test_a_workflow_runs_scripts_that_exist(path: Path) -> None:
    scripts = [word for words in commands(path) for word in words if word.startswith(".ci/")]
    assert scripts
    assert not [script for script in scripts if not (ROOT / script).stat().st_mode & 0o100]


@pytest.mark.parametrize("path", WORKFLOWS, ids=name)
def test_a_workflow_may_only_read(path: Path) -> None:
    assert read(path)["permissions"] == {"contents": "read"}


@pytest.mark.parametrize("path", WORKFLOWS, ids=name)
def test_a_workflow_writes_its_python_versions_as_words(path: Path) -> None:
    """As a number, 3.10 is 3.1."""
    given = [
        step["with"]["python-version"]
        for job in jobs(path).values()
        for step in job["steps"]
        if "python-version" in step.get("with", {})
    ]
    assert given
    assert all(isinstance(version, str) for version in [*given, *pythons(path)])


def test_the_tests_run_on_each_python_that_the_classifiers_name() -> None:
    assert [version for path in WORKFLOWS for version in pythons(path)] == classified()


def test_the_oldest_python_is_the_same_everywhere() -> None:
    oldest = classified()[0]
    assert METADATA["requires-python"] == f">={oldest}"
    assert PROJECT["tool"]["mypy"]["python_version"] == oldest
    assert PROJECT["tool"]["ruff"]["target-version"] == f"py{oldest.replace('.', '')}"


def test_every_classifier_is_a_known_one() -> None:
    assert set(METADATA["classifiers"]) <= classifiers


def test_the_licence_is_the_one_that_is_named() -> None:
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert METADATA["license"] == "Apache-2.0"
    assert text.split()[:4] == ["Apache", "License", "Version", "2.0,"]
    assert "END OF TERMS AND CONDITIONS" in text


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_that_is_shipped_says_that_it_is_typed(package: str) -> None:
    assert (ROOT / package / "py.typed").is_file()


@pytest.mark.parametrize("path", FORMS, ids=name)
def test_an_issue_form_has_what_a_form_needs(path: Path) -> None:
    form = read(path)
    assert form["name"]
    assert form["description"]
    assert {field["type"] for field in form["body"]} <= FORM_FIELDS
    asked = [field for field in form["body"] if field["type"] != "markdown"]
    assert len({field["id"] for field in asked}) == len(asked) > 1
    assert all(field["attributes"]["label"] for field in asked)


def test_the_hooks_are_tools_of_the_environment_and_check_what_make_check_does() -> None:
    repositories = read(ROOT / ".pre-commit-config.yaml")["repos"]
    hooks = [hook for repository in repositories for hook in repository["hooks"]]
    assert [repository["repo"] for repository in repositories] == ["local"]
    assert {hook["language"] for hook in hooks} == {"system"}
    recipe = (ROOT / "Makefile").read_text().partition("\ncheck:")[2].partition("\n\n")[0]
    made = re.findall(r"\$\(BIN\)/(\S+)", recipe)
    assert [hook["entry"].split()[0] for hook in hooks] == [f".venv/bin/{tool}" for tool in made]


def test_what_npm_installs_is_fixed_by_its_hash_and_not_by_a_place() -> None:
    package = json.loads((BROWSER / "package.json").read_text(encoding="utf-8"))
    locked = json.loads((BROWSER / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    wanted = package["devDependencies"]
    assert locked.pop("")["devDependencies"] == wanted
    versions = {name.removeprefix("node_modules/"): it["version"] for name, it in locked.items()}
    assert versions.items() >= wanted.items()
    assert all(it["integrity"].startswith("sha512-") for it in locked.values())
    assert not [name for name, it in locked.items() if "resolved" in it]
