"""Names of code that lead through links."""

from __future__ import annotations

import os
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.model.data import Entry
from penstock.objects import tree
from penstock.service.bindings.linked import Linked

FILE = tree.encode(Entry((b"\x1e" + bytes(32),), 1))


def linked(*files: str, **links: str) -> Linked:
    entries = dict.fromkeys(files, FILE)
    return Linked(entries | {name.replace("__", "/"): tree.encode(Entry(target=to)) for name, to in links.items()})


def test_a_name_leads_through_links_of_links_and_all_of_them_count() -> None:
    found = linked("real/pkg/m.py", one="two", two="real/pkg", deep__up="../one/m.py")
    assert "one/m.py" in found and "deep/up" in found and "real/pkg/m.py" in found
    assert found.counted(["one/m.py"]) == ["one", "real/pkg/m.py", "two"]
    assert found.counted(["deep/up"]) == ["deep/up", "one", "real/pkg/m.py", "two"]
    assert set(found) >= {"one/m.py", "two/m.py", "deep/up"}


def test_rings_what_leads_out_and_what_leads_nowhere_are_no_files() -> None:
    found = linked("a", ring="ring", here=".", out="../x", far="/etc/passwd", gone="nothing", spiral="spiral/x")
    assert [name for name in ("ring", "out", "far", "gone", "spiral", "out/x", "here") if name in found] == []
    assert "here/here/a" in found
    assert set(found) >= {"a"}


PARTS = st.sampled_from("abc")
PATHS = st.lists(PARTS, min_size=1, max_size=3).map("/".join)
TARGETS = st.lists(st.sampled_from(["a", "b", "c", "..", "."]), min_size=1, max_size=4).map("/".join)


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(PATHS, st.none() | TARGETS, max_size=8), PATHS)
def test_it_leads_where_the_system_leads(tmp_path_factory, things: dict[str, str | None], name: str) -> None:  # type: ignore[no-untyped-def]
    top = Path(os.path.realpath(tmp_path_factory.mktemp("tree")))
    kept = {path: to for path, to in things.items() if not any(other.startswith(f"{path}/") for other in things)}
    for path, to in kept.items():
        (top / path).parent.mkdir(parents=True, exist_ok=True)
        if to is None:
            (top / path).write_text("")
        else:
            (top / path).symlink_to(to)
    entries = {path: FILE if to is None else tree.encode(Entry(target=to)) for path, to in kept.items()}
    there = os.path.isfile(top / name) and os.path.realpath(top / name).startswith(f"{top}/")
    found = Linked(entries)
    if name in found:
        assert there and found.real(name) == os.path.relpath(os.path.realpath(top / name), top)
    elif there:  # only what goes out and comes back in, which another copy of the project may not
        assert any(to is not None and ".." in to for to in kept.values())
