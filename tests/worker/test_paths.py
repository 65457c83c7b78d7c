"""Search paths that lead into the project lead to its frozen copy."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from penstock.worker.paths import SearchPaths

VERSION = f"python{sys.version_info.major}.{sys.version_info.minor}"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for top in ("project", "layout"):
        for name in ("src/pkg", "bin", "lib"):
            (tmp_path / top / name).mkdir(parents=True)
    (tmp_path / "project/.venv/bin").mkdir(parents=True)
    (tmp_path / "project/.penstock/x").mkdir(parents=True)
    (tmp_path / "layout/.penstock/x").mkdir(parents=True)
    return tmp_path / "project"


def led(project: Path, program: str = "true", **env: str) -> dict[str, str]:
    env = {"PATH": "/nowhere", "HOME": "/nowhere", **env}
    return SearchPaths(str(project)).led(env, program, f"{project.parent}/layout")


def python(project: Path, name: str, text: str) -> str:
    """A Python that has one such file among its packages."""
    place = project.parent / "env"
    packages = place / "lib" / VERSION / "site-packages"
    packages.mkdir(parents=True)
    (packages / name).write_text(text)
    (place / "bin").mkdir()
    (place / "bin/python3").write_text("")
    (place / "bin/python3").chmod(0o755)
    return f"{place}/bin"


def test_entries_of_search_paths_lead_to_the_copy_where_it_has_them(project: Path) -> None:
    layout = project.parent / "layout"
    inside = f"/usr/lib:{project}/src:{project}/gone:{project}/lib/../bin/:src:"
    assert led(project, PYTHONPATH=inside) == {"PYTHONPATH": f"/usr/lib:{layout}/src:{project}/gone:{layout}/bin:src:"}
    assert led(project, PATH=f"{project}/.venv/bin:{project}/bin") == {"PATH": f"{project}/.venv/bin:{layout}/bin"}
    assert led(project, PYTHONPATH=f"{project}/.penstock/x:{project}-2/src") == {}
    assert led(project, PYTHONPATH=f"{project}") == {"PYTHONPATH": f"{layout}"}


def test_a_project_behind_a_link_is_the_same(project: Path) -> None:
    (project.parent / "home").symlink_to(project)
    found = SearchPaths(f"{project.parent}/home").led(
        {"PYTHONPATH": f"{project}/src"}, "true", f"{project.parent}/layout"
    )
    assert found == {"PYTHONPATH": f"{project.parent}/layout/src"}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("pkg.pth", "PROJECT/src\nimport os\n/elsewhere\n"),
        ("__editable___pkg_1_0_finder.py", "MAPPING: dict = {'pkg': 'PROJECT/src/pkg'}\n"),
    ],
)
@pytest.mark.parametrize("program", ["python3", "sh", "tool"])
def test_what_is_installed_for_editing_is_looked_for_in_the_copy_first(
    project: Path, name: str, text: str, program: str
) -> None:
    bin = python(project, name, text.replace("PROJECT", str(project)))
    Path(bin, "tool").write_text(f"#!{bin}/python3\n")
    Path(bin, "tool").chmod(0o755)
    layout = project.parent / "layout"
    assert led(project, program, PATH=bin) == {"PYTHONPATH": f"{layout}/src"}
    assert led(project, program, PATH=bin, PYTHONPATH="/own") == {"PYTHONPATH": f"/own:{layout}/src"}
    assert led(project, program, PATH=bin, PYTHONPATH=f"{project}/src") == {"PYTHONPATH": f"{layout}/src"}


def test_no_project_changes_nothing(project: Path) -> None:
    assert SearchPaths("").led({"PYTHONPATH": f"{project}/src"}, "python3", str(project)) == {}
