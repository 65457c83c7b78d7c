"""What the documents draw is what the code says, and their links lead somewhere."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

from penstock.model import errors, moves

DOCS = Path(__file__).parents[2] / "docs"
PAGES = sorted(DOCS.rglob("*.md"))


def name(path: Path) -> str:
    return str(path.relative_to(DOCS))


@pytest.fixture(scope="module")
def draw() -> ModuleType:
    spec = importlib.util.spec_from_file_location("penstock_docs_draw", DOCS / "draw.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_drawn_blocks_are_what_the_tables_give(page: Path, draw: ModuleType) -> None:
    text = page.read_text()
    assert text == draw.redraw(text), "run: python docs/draw.py"
    assert text.count("<!-- drawn:") == text.count("<!-- end -->")


def test_everything_that_can_be_drawn_is(draw: ModuleType) -> None:
    design = (DOCS / "design.md").read_text()
    assert re.findall(r"<!-- drawn: (.+?) -->", design) == list(draw.DRAWN)


def test_every_arrow_is_in_a_diagram(draw: ModuleType) -> None:
    for noun, arrows in moves.MOVES.items():
        drawn = draw.diagram(noun)
        assert all(f"    {source} --> {target}: {why}" in drawn for (source, target), why in arrows.items())
        assert all(f"| `{state}` |" in drawn for state in moves.STATES[noun])


def test_a_block_that_is_out_of_date_is_drawn_anew(draw: ModuleType) -> None:
    page = "before\n<!-- drawn: layers -->\nstale text\n<!-- end -->\nbetween\n"
    page += "<!-- drawn: outcomes -->\n<!-- end -->\nafter\n"
    redrawn = draw.redraw(page)
    assert "stale text" not in redrawn
    assert redrawn.startswith("before\n<!-- drawn: layers -->\n```text\ncli | fsspec\n")
    assert "\n<!-- end -->\nbetween\n<!-- drawn: outcomes -->\n| Outcome | It |" in redrawn
    assert redrawn.endswith("\n<!-- end -->\nafter\n")
    assert draw.redraw(redrawn) == redrawn


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)]+)\)", page.read_text()):
        if "://" in target:
            continue
        path, _, heading = target.partition("#")
        there = (page.parent / path).resolve() if path else page
        assert there.exists(), f"{name(page)}: {target}"
        if heading:
            titles = re.findall(r"^#+ (.+)$", there.read_text(), re.M)
            assert heading in {re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-") for title in titles}


def test_every_exit_code_is_explained() -> None:
    table = (DOCS / "commands.md").read_text().partition("## Exit codes")[2].partition("\n## ")[0]
    told = {int(code) for code in re.findall(r"^\| (\d+) \|", table, re.M)}
    kinds = [
        kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.PenstockError)
    ]
    assert {kind.exit_code for kind in kinds} <= told


def test_decisions_are_listed() -> None:
    listed = re.findall(r"\]\((\d{4}-[a-z0-9-]+\.md)\)", (DOCS / "decisions/index.md").read_text())
    assert listed == sorted(path.name for path in (DOCS / "decisions").glob("[0-9]*.md"))
