"""The wheel as a user gets it: complete, importable outside the repository, within its memory."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

_MEASURE = """
import runpy, sys
sys.argv = sys.argv[1:]
try:
    runpy.run_module("idverify", run_name="__main__", alter_sys=True)
except SystemExit as stop:
    code = stop.code or 0
with open("/proc/self/status") as status:  # VmHWM begins anew at exec; ru_maxrss keeps what the parent had
    print(*(int(line.split()[1]) // 1024 for line in status if line.startswith("VmHWM")), file=sys.stderr)
sys.exit(code)
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The unpacked wheel, built from the tree."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)],
        check=True,
        capture_output=True,
    )
    (wheel,) = folder.glob("*.whl")
    site = folder / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    return site


def run(site: Path, *arguments: str) -> tuple[int, str, int]:
    """Exit code, standard output and peak memory in MB of the command line, outside the repository."""
    environment = os.environ | {"PYTHONPATH": str(site)}
    done = subprocess.run(
        [sys.executable, "-c", _MEASURE, "idverify", *arguments],
        cwd=site.parent,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout, int(done.stderr.strip().splitlines()[-1])


def test_the_readme_of_the_wheel_leads_nowhere_that_is_not_there(installed: Path) -> None:
    (metadata,) = installed.glob("*.dist-info/METADATA")
    text = metadata.read_text("utf-8")
    assert "Description-Content-Type: text/markdown" in text
    assert re.findall(r"\]\((?!https?://|#)[^)]*\)", text) == []
    assert "command line (`docs/cli.md`)" in text
    assert "All commands: `docs/cli.md`." in text
    whole = (ROOT / "README.md").read_text("utf-8")
    for heading in re.findall(r"^## .*", whole, re.MULTILINE):
        assert heading in text
    assert all(block in text for block in re.findall(r"```.*?```", whole, re.DOTALL)), "code stays as it is"


def test_the_wheel_carries_the_models_their_licences_and_the_types(installed: Path) -> None:
    package = installed / "idverify"
    manifest = package / "_models" / "manifest.toml"
    assert manifest.is_file()
    assert list((package / "_models" / "files").glob("*.onnx"))
    assert list((package / "_models" / "LICENSES").iterdir())
    assert (package / "py.typed").is_file()
    assert not list(installed.rglob("tests"))


def test_the_package_comes_from_the_wheel(installed: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import idverify; print(idverify.__file__)"],
        cwd=installed.parent,
        env=os.environ | {"PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert Path(done.stdout.strip()).is_relative_to(installed)


def test_the_demo_runs_from_the_wheel_within_400_megabytes(installed: Path) -> None:
    code, output, megabytes = run(installed, "demo", "--transport", "memory", "--json")
    answer = json.loads(output)
    assert (code, answer["decision"]["outcome"]) == (0, "accept"), answer["decision"]
    assert answer["session"]["transport"] == "memory"
    assert megabytes < 400


def test_models_verify_from_the_wheel(installed: Path) -> None:
    code, _, _ = run(installed, "models", "verify")
    assert code == 0
