"""Parameters that inputs give: what tasks are told, and what runs again."""

from __future__ import annotations

from typing import Any

SHOW = """echo "$PENSTOCK_PARAM_SAMPLE" "$PENSTOCK_KEY" "$1" >> "$PENSTOCK_OUT/$PENSTOCK_PARAM_SAMPLE"
grep -q sample "$PENSTOCK_PARAMS"
"""


def make(lab: Any, source: str, run: str = "[sh, show.sh, '-{sample}-']", more: str = "") -> None:
    lab.write("show.sh", SHOW)
    lab.pipeline(
        f"pipeline: given\nrepos: {{reads: {{path: reads}}, b: {{path: b}}}}\n"
        f"steps:\n  show:\n    input: {source}\n    run: {run}\n{more}"
    )
    (lab.root / "b").mkdir(exist_ok=True)
    for path in ("ada_1.fq", "ada_2.fq", "bob_1.fq", "bob_2.fq"):
        lab.write(f"reads/{path}", path)


def test_a_glob_tells_what_it_captured(lab: Any) -> None:
    make(lab, "{repo: reads, glob: '/(*)_1.fq', params: {sample: $1, key: $0}}")
    assert lab.ok() == {"show": (2, 2, 0)}
    assert lab.files("show") == {"ada": "ada ada_1.fq -ada-\n", "bob": "bob bob_1.fq -bob-\n"}
    lab.write("reads/ada_1.fq", "new")
    lab.write("reads/cy_1.fq", "cy")
    assert lab.planned() == {"show": (3, 2)}
    assert lab.ok() == {"show": (3, 2, 1)}
    (lab.root / "reads" / "bob_1.fq").unlink()
    lab.ok()
    assert lab.files("show") == {"ada": "ada ada_1.fq -ada-\n", "cy": "cy cy_1.fq -cy-\n"}


def test_a_group_tells_its_key(lab: Any) -> None:
    make(lab, "{group: [{repo: reads, glob: '/(*)_*.fq', group: $1, params: {sample: $1, key: $1}}]}")
    assert lab.ok() == {"show": (2, 2, 0)}
    assert lab.files("show") == {"ada": "ada ada -ada-\n", "bob": "bob bob -bob-\n"}
    lab.write("reads/ada_3.fq", "new")
    assert lab.ok() == {"show": (2, 1, 1)}


def test_another_template_touches_all_and_a_revert_finds_the_old_results(lab: Any) -> None:
    source = "{repo: reads, glob: '/(*)_1.fq', params: {sample: %s}}"
    make(lab, source % "$1")
    assert lab.ok() == {"show": (2, 2, 0)}
    make(lab, source % "x-$1")
    assert lab.planned() == {"show": (2, 2)}
    assert lab.ok() == {"show": (2, 2, 0)}
    assert sorted(lab.files("show")) == ["x-ada", "x-bob"]
    make(lab, source % "$1")
    assert lab.ok() == {"show": (2, 0, 2)}
    assert sorted(lab.files("show")) == ["ada", "bob"]


def test_the_same_files_under_other_brackets_are_other_tasks(lab: Any) -> None:
    make(lab, "{repo: reads, glob: '/(*)_1.fq', params: {sample: $1}}")
    assert lab.ok() == {"show": (2, 2, 0)}
    make(lab, "{repo: reads, glob: '/(*_1).fq', params: {sample: $1}}")
    assert lab.ok() == {"show": (2, 2, 0)}
    assert sorted(lab.files("show")) == ["ada_1", "bob_1"]


def test_beside_each_and_in_a_join(lab: Any) -> None:
    source = "{join: [{repo: reads, glob: '/(*)_1.fq', on: $1, params: {sample: $1}}, {repo: b, glob: '/(*)', on: $1}]}"
    make(lab, source, "[sh, show.sh, '{sample}{i}']", "    each: {i: [1]}\n")
    lab.write("b/ada", "A")
    assert lab.ok() == {"show": (1, 1, 0)}
    assert lab.files("show") == {"ada": "ada  ada1\n"}
