"""Which files of a project a command depends on."""

from __future__ import annotations

import pytest

from penstock.text.imports import code_files

PROJECT: dict[str, str] = {
    "main.py": "import os, numpy\nimport helper\nfrom pkg import mod, name\nimport pkg.deep.leaf as leaf\n",
    "helper.py": "def late():\n    import lazy\n",
    "lazy.py": "from helper import late\n",
    "unused.py": "",
    "name.py": "",
    "pkg/__init__.py": "from .inside import x\n",
    "pkg/inside.py": "x = 1\n",
    "pkg/mod.py": "from . import sibling\nfrom .deep import other\nfrom ..helper import y\nfrom .... import z\n",
    "pkg/sibling.py": "",
    "pkg/deep/__init__.py": "",
    "pkg/deep/leaf.py": "from ..sibling import *\nfrom .. import cousin\n",
    "pkg/deep/other.py": "",
    "pkg/cousin.py": "",
    "pkg/__main__.py": "import pkg.sibling\n",
    "plain/space.py": "import lazy\n",
    "scripts/run.py": "import beside\nimport lazy\nimport plain.space\n",
    "scripts/beside.py": "",
    "scripts/lazy.py": "",
    "broken.py": "import helper\ndef (:\n",
    "nul.py": "import helper\0",
    "escape.py": "import unused\nx = '\\d'\n",
    "latin.py": "# -*- coding: latin-1 -*-\nimport unused # é\n",
    "all.sh": "#!/bin/sh\npython3 scripts/run.py --conf=conf.yaml\n. ./env.sh; cat <pkg/cousin.py\n",
    "env.sh": "export X=all.sh\n",
    "conf.yaml": "helper.py",
    "R/work.R": "source('helper.py')",
    "a file.txt": "",
}

CASES = [
    (["python3", "unused.py"], ["unused.py"]),
    (["python3", "./unused.py", "pkg/../name.py"], ["name.py", "unused.py"]),
    (["python3", "/abs/unused.py", "../unused.py", "nothing.py", "-v", ""], []),
    (["python3", "helper.py"], ["helper.py", "lazy.py"]),
    (
        ["python3", "main.py"],
        ["helper.py", "lazy.py", "main.py", "pkg/__init__.py", "pkg/cousin.py", "pkg/deep/__init__.py"]
        + ["pkg/deep/leaf.py", "pkg/deep/other.py", "pkg/inside.py", "pkg/mod.py", "pkg/sibling.py"],
    ),
    (
        ["python3", "scripts/run.py"],
        ["helper.py", "lazy.py", "plain/space.py", "scripts/beside.py", "scripts/lazy.py", "scripts/run.py"],
    ),
    (["python3", "-m", "pkg"], ["pkg/__init__.py", "pkg/__main__.py", "pkg/inside.py", "pkg/sibling.py"]),
    (["python3", "-m", "plain.space"], ["helper.py", "lazy.py", "plain/space.py"]),
    (["/usr/bin/python3.11", "-c", "import unused\nfrom . import name"], ["name.py", "unused.py"]),
    (["perl", "-c", "import unused"], []),
    (["python3", "broken.py"], ["broken.py"]),
    (["python3", "nul.py"], ["nul.py"]),
    (["python3", "escape.py"], ["escape.py", "unused.py"]),
    (["python3", "latin.py"], ["latin.py", "unused.py"]),
    (["Rscript", "R/work.R", "--conf=conf.yaml", "a file.txt"], ["R/work.R", "a file.txt", "conf.yaml"]),
    (
        ["sh", "env.sh"],
        [*["all.sh", "conf.yaml", "env.sh", "helper.py", "lazy.py", "pkg/cousin.py", "plain/space.py"]]
        + ["scripts/beside.py", "scripts/lazy.py", "scripts/run.py"],
    ),
    (
        ["sh", "-c", "python3 unused.py >out && cat 'name.py'|sort;echo $(cat conf.yaml)"],
        ["conf.yaml", "name.py", "unused.py"],
    ),
    (["/bin/bash", "-ec", "X=1 python3 -m plain.space"], ["helper.py", "lazy.py", "plain/space.py"]),
    (["sh", "-c", "echo hello"], []),
    (["main"], []),
]


@pytest.mark.parametrize(("run", "expected"), CASES, ids=lambda value: " ".join(value)[:40])
@pytest.mark.filterwarnings("error")
def test_code_files(run: list[str], expected: list[str]) -> None:
    encoding = {"latin.py": "latin-1"}
    found = code_files(run, set(PROJECT), lambda path: PROJECT[path].encode(encoding.get(path, "utf-8")))
    assert found == expected


def test_each_file_is_read_once() -> None:
    read: list[str] = []

    def contents(path: str) -> bytes:
        read.append(path)
        return PROJECT[path].encode()

    code_files(["python3", "main.py", "helper.py"], PROJECT, contents)
    assert len(read) == len(set(read))
    assert "unused.py" not in read


def test_code_that_is_too_deep_to_parse_counts_as_itself() -> None:
    files = {"deep.py": b"x = " + b"(" * 100_000 + b")" * 100_000, "long.py": b"x = " + b"-" * 200_000 + b"1"}
    assert code_files(["python3", "deep.py", "long.py"], files, files.__getitem__) == ["deep.py", "long.py"]


def test_modules_are_found_along_pythonpath() -> None:
    files = {
        "src/pkg/__init__.py": "",
        "src/pkg/cli.py": "import pkg.core",
        "src/pkg/core.py": "",
        "x.py": "import pkg.cli",
    }

    def found(run: list[str], path: str) -> list[str]:
        return code_files(run, files, lambda name: files[name].encode(), path=path)

    everything = ["src/pkg/__init__.py", "src/pkg/cli.py", "src/pkg/core.py"]
    assert found(["python3", "-m", "pkg.cli"], "/abs:./src") == everything
    assert found(["python3", "x.py"], "src") == [*everything, "x.py"]
    assert found(["python3", "x.py"], "") == ["x.py"]


@pytest.mark.parametrize(
    "text", ["cd scripts && python3 run.py", ' cd "./scripts"; sh -c run.py', "cd scripts\npython3 run.py"]
)
def test_a_text_that_goes_into_a_directory_names_files_there(text: str) -> None:
    assert {"scripts/run.py", "scripts/beside.py"} <= set(
        code_files(["sh", "-c", text], PROJECT, lambda path: PROJECT[path].encode())
    )


def test_a_file_behind_a_link_is_searched_from_where_it_is() -> None:
    files = {"a.py": "import beside", "real/a.py": "import beside", "real/beside.py": ""}
    real = {"a.py": "real/a.py"}
    found = code_files(["python3", "a.py"], files, lambda path: files[path].encode(), lambda path: real.get(path, path))
    assert found == ["a.py", "real/a.py", "real/beside.py"]
