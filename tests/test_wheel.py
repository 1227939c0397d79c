"""The built wheels, not the checkout, run a simulated task in a clean environment: nothing is missing from them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import venv
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from omicsbench.data.pinned import FILE

ROOT = Path(__file__).parents[1]
OTHERS = ("torch", "functorch", "jax", "diffrax", "equinox", "optax", "lineax", "optimistix")
"""What only the neural ODEs need: a plugin must work where these are not."""
SOURCES = ("pyproject.toml", "README.md", "LICENSE", "omicsbench", "tasks")


@dataclass(frozen=True)
class Clean:
    """An environment that has the libraries the suite depends on, and no omicsbench but what is installed into it."""

    home: Path
    wheels: tuple[Path, ...] = ()

    def run(self, program: str, *arguments: object) -> subprocess.CompletedProcess[str]:
        """A program of it, away from the checkout; what it prints where it fails."""
        variables = {name: value for name, value in os.environ.items() if not name.startswith(("OMICSBENCH", "PYTHON"))}
        ran = subprocess.run(
            [self.home / "bin" / program, *map(str, arguments)],
            cwd=self.home.parent,
            env=variables | {"XDG_CACHE_HOME": str(self.home.parent / "cache"), "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return ran

    def install(self, wheel: Path) -> None:
        """Install a wheel, without what it depends on."""
        python = self.home / "bin" / "python"
        _python("-m", "pip", "--python", python, "install", "-q", "--no-deps", "--no-index", wheel)


def _python(*arguments: object) -> None:
    ran = subprocess.run([sys.executable, *map(str, arguments)], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def _build(source: Path, out: Path) -> Path:
    before = set(out.glob("*.whl"))
    _python("-m", "build", "--wheel", "--no-isolation", "--outdir", out, source)
    (wheel,) = set(out.glob("*.whl")) - before
    return wheel


@pytest.fixture(scope="module")
def core(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of the core, built from a copy: what lies in the checkout from earlier builds stays out of it."""
    copy, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("dist")
    for name in SOURCES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, copy / name)
    return _build(copy, out)


@pytest.fixture(scope="module")
def clean(core: Path, tmp_path_factory: pytest.TempPathFactory) -> Clean:
    """A virtual environment with the core's wheel; the libraries are those of the tests, linked one by one."""
    place = tmp_path_factory.mktemp("clean")
    venv.create(place / "venv", with_pip=False)
    libraries = place / "libraries"
    libraries.mkdir()
    for found in Path(sysconfig.get_path("purelib")).iterdir():
        if not found.name.startswith(("omicsbench", "__editable__", *OTHERS)):
            (libraries / found.name).symlink_to(found)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    (place / "venv" / "lib" / version / "site-packages" / "libraries.pth").write_text(str(libraries))
    environment = Clean(place / "venv")
    environment.install(core)
    return environment


def test_the_wheel_holds_all_of_the_package_and_the_tasks(core: Path) -> None:
    packed = set(zipfile.ZipFile(core).namelist())
    package = [path for path in (ROOT / "omicsbench").rglob("*") if path.is_file() and path.suffix != ".pyc"]
    missing = {path.relative_to(ROOT).as_posix() for path in package} - packed
    assert not missing
    tasks = {f"omicsbench/builtin_tasks/{path.name}/task.toml" for path in (ROOT / "tasks").iterdir() if path.is_dir()}
    cards = {name.replace("task.toml", "README.md") for name in tasks}
    pinned = {f"omicsbench/builtin_tasks/{path.parent.name}/{FILE}" for path in (ROOT / "tasks").glob(f"*/{FILE}")}
    assert len(pinned) >= 4
    assert tasks | cards | pinned <= packed
    assert not [name for name in packed if name.endswith(".csv")]


def test_the_wheel_is_fit_for_publication(core: Path) -> None:
    _python("-m", "twine", "check", "--strict", core)


def test_the_wheels_run_a_simulated_task(clean: Clean, tmp_path: Path) -> None:
    place = clean.run("python", "-c", "import omicsbench; print(omicsbench.__file__)").stdout.strip()
    assert Path(place).is_relative_to(clean.home)

    clean.run("omicsbench", "new-plugin", "from-wheel", "--dir", tmp_path)
    clean.install(_build(tmp_path / "from-wheel", tmp_path))
    doctor = json.loads(clean.run("omicsbench", "doctor", "--json").stdout)
    assert doctor["problems"] == []
    assert set(doctor["models"]) == {"persistence", "mean-strain", "nearest-strain", "oracle", "from-wheel"}

    assert "gate: passed" in clean.run("omicsbench", "audit", "limonene-sim").stdout
    out = tmp_path / "out"
    choice = ("--task", "limonene-sim", "--strains", 2, "--draws", 1)
    records = json.loads(
        clean.run("omicsbench", "run", "--model", "from-wheel", *choice, "--out", out, "--json").stdout
    )
    assert {record["cell"]["model"]: record["status"] for record in records} == dict.fromkeys(doctor["models"], "ok")
    assert (out / "report.html").stat().st_size > 10_000


def test_a_plugin_keeps_the_interface_where_no_other_is_installed(clean: Clean, tmp_path: Path) -> None:
    copy = tmp_path / "sindy"
    shutil.copytree(
        ROOT / "plugins" / "sindy", copy, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info", "build")
    )
    clean.install(_build(copy, tmp_path))
    doctor = json.loads(clean.run("omicsbench", "doctor", "--json").stdout)
    assert {name for name in doctor["models"] if name.startswith(("node", "derivative"))} == set()
    assert doctor["libraries"]["torch"] is None
    assert " 0 failed" in clean.run("omicsbench", "check", "sindy").stdout


@pytest.mark.parametrize("project", sorted(ROOT.glob("plugins/*/pyproject.toml")), ids=lambda path: path.parent.name)
def test_a_plugin_names_itself_once(project: Path) -> None:
    """The folder, the distribution, the entry point and the package are one name; the version stands here alone."""
    name = project.parent.name
    read = tomllib.loads(project.read_text(encoding="utf-8"))
    package = f"omicsbench_{name.replace('-', '_')}"
    assert read["project"]["name"] == f"omicsbench-{name}"
    assert read["project"]["entry-points"]["omicsbench"] == {name: package}
    assert read["tool"]["setuptools"]["packages"] == [package]
    assert not [path for path in (project.parent / package).rglob("*.py") if "__version__" in path.read_text()]
