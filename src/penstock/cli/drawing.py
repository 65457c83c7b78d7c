"""A graph of repos and steps as text, as DOT, as Mermaid and as SVG."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import NamedTuple

from penstock.engine.layers import Layers
from penstock.model.views import GraphNode, GraphView

#: Pixels of a character, of a box, and between boxes. The font is one of fixed width.
_CHARACTER, _HEIGHT, _GAP, _BETWEEN, _MARGIN = 7.3, 30, 14.0, 70, 10.0
_ROW = _HEIGHT + _GAP
_STYLE = """\
  text { font: 12px ui-monospace, monospace; fill: #1f2328; text-anchor: middle }
  .repo rect { fill: #ddf4ff; stroke: #54aeff } .step rect { fill: #f6f8fa; stroke: #8c959f }
  path { fill: none; stroke: #8c959f; stroke-width: 1.3 } .head { fill: #8c959f; stroke: none }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 } .repo rect { fill: #0c2d4d; stroke: #388bfd }
    .step rect { fill: #21262d; stroke: #8b949e } path { stroke: #8b949e } .head { fill: #8b949e }
  }"""


def text(view: GraphView) -> str:
    """A line per repo and step, each behind what it reads: `total  <- count:/`."""
    names = _names(view)
    width = max((len(name) for name in names.values()), default=0)
    above: dict[str, list[str]] = {}
    for edge in view.edges:
        word = {"success": "after ", "end": "after the end of "}.get(edge.waits or "")
        above.setdefault(edge.target, []).append(edge.label if word is None else word + names[edge.source])
    lines = []
    for node in view.nodes:
        reads = ", ".join(above.get(node.id, ()))
        what = "repo" if node.kind == "repo" else f"<- {reads}" if reads else ""
        lines.append(f"{names[node.id].ljust(width)}  {what}".rstrip() + "\n")
    return "".join(lines)


def dot(view: GraphView) -> str:
    """For Graphviz: repos are cylinders, steps boxes."""
    names = _names(view)
    shapes = {"repo": "cylinder", "step": "box"}
    lines = [
        f"  {_quoted(node.id)} [label={_quoted(names[node.id])}, shape={shapes[node.kind]}]" for node in view.nodes
    ]
    lines += [f"  {_quoted(e.source)} -> {_quoted(e.target)} [label={_quoted(e.label)}]" for e in view.edges]
    return "\n".join(["digraph penstock {", "  rankdir=LR", *lines, "}", ""])


def mermaid(view: GraphView) -> str:
    """For Markdown that draws Mermaid."""
    names = _names(view)
    ids = {node.id: f"n{number}" for number, node in enumerate(view.nodes)}
    boxes = {"repo": ("[(", ")]"), "step": ("[", "]")}
    lines = ["flowchart LR"]
    for node in view.nodes:
        opening, closing = boxes[node.kind]
        lines.append(f'  {ids[node.id]}{opening}"{_entities(names[node.id])}"{closing}')
    lines += [f'  {ids[edge.source]} -->|"{_entities(edge.label)}"| {ids[edge.target]}' for edge in view.edges]
    return "\n".join([*lines, ""])


def svg(view: GraphView) -> str:
    """A picture of its own, light or dark as the reader has it; a line says what it carries when pointed at."""
    names = _names(view)
    nodes = {node.id: node for node in view.nodes}
    drawn = Layers(list(nodes), ((edge.source, edge.target) for edge in view.edges))
    labels: dict[tuple[str, str], list[str]] = {}
    for edge in view.edges:
        labels.setdefault((edge.source, edge.target), []).append(edge.label)
    tallest = max((len(row) for row in drawn.rows), default=0) * _ROW
    left, boxes = _MARGIN, dict[object, _Box]()
    for row in drawn.rows:
        column = max((_width(names[str(item)]) for item in row if item in nodes), default=_GAP)
        top = _MARGIN + (tallest - len(row) * _ROW + _HEIGHT) / 2
        for place, item in enumerate(row):
            width = _width(names[str(item)]) if item in nodes else column
            boxes[item] = _Box(left, width, left + column, top + place * _ROW)
        left += column + _BETWEEN
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{left - _BETWEEN + _MARGIN:.0f}" '
        f'height="{tallest + _MARGIN:.0f}">',
        f"<style>\n{_STYLE}\n</style>",
        '<marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path class="head" d="M0 0L8 4L0 8z"/></marker>',
    ]
    for ends, path in zip(drawn.edges, drawn.paths, strict=True):
        title = escape(", ".join(labels[ends]))
        line = _line([boxes[item] for item in path])
        out.append(f'<path marker-end="url(#head)" d="{line}"><title>{title}</title></path>')
    for node in view.nodes:
        box = boxes[node.id]
        out.append(
            f'<g class="{node.kind}"><rect x="{box.left:.0f}" y="{box.middle - _HEIGHT / 2:.0f}" '
            f'width="{box.width:.0f}" height="{_HEIGHT}" rx="{_HEIGHT // 2 if node.kind == "repo" else 4}"/>'
            f'<text x="{box.left + box.width / 2:.0f}" y="{box.middle:.0f}" dy=".35em">'
            f"{escape(names[node.id])}</text></g>"
        )
    return "\n".join([*out, "</svg>", ""])


class _Box(NamedTuple):
    """Where something stands, in pixels; `end` is where its column ends."""

    left: float
    width: float
    end: float
    middle: float


def _line(boxes: Sequence[_Box]) -> str:
    """From the right of the first to the left of the last, through those between."""
    first, *others = boxes
    line, x, y = f"M{first.left + first.width:.0f} {first.middle:.0f}", first.end, first.middle
    for box in others:
        half = (x + box.left) / 2
        line += f"H{x:.0f}C{half:.0f} {y:.0f} {half:.0f} {box.middle:.0f} {box.left:.0f} {box.middle:.0f}"
        x, y = box.end, box.middle
    return line


def _width(name: str) -> float:
    return len(name) * _CHARACTER + 20


def _names(view: GraphView) -> dict[str, str]:
    """What each node is called: with its pipeline where there are several, and the number of its combinations."""
    several = len({node.pipeline for node in view.nodes if node.pipeline}) > 1
    return {node.id: _name(node, several) for node in view.nodes}


def _name(node: GraphNode, several: bool) -> str:
    name = f"{node.pipeline}.{node.name}" if several and node.pipeline else node.name
    return name if node.tasks is None else f"{name} x{node.tasks}"


def _quoted(word: str) -> str:
    return '"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _entities(word: str) -> str:
    """Text in which nothing means something to Mermaid."""
    return "".join(char if char.isalnum() or char in " ._-/:@" else f"#{ord(char)};" for char in word)
