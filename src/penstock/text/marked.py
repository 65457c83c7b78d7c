"""YAML 1.2, JSON and JSON5 as one tree in which every value knows its place.

Whatever is wrong with a file is one BadSpec with `file:line:column`.
"""

from __future__ import annotations

import re

from penstock.model.errors import BadSpec
from penstock.text.nodes import Node, place_of

#: What begins and what ends a document of YAML, and a line of one that is more than a comment.
_DOCUMENT = re.compile(r"^(?:---|\.\.\.)(?=[ \t\r\n]|\Z)", re.MULTILINE)
_SAYS = re.compile(r"^[ \t]*[^#\s]", re.MULTILINE)
MAX_BYTES = 64 * 2**20

_NOT_TEXT = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def read_marked(text: str | bytes, file: str, *, json: bool = False) -> Node:
    """Read a file by the suffix of its name: `.json` and `.json5` as JSON5 (or with `json`), anything else as YAML 1.2.

    Raises BadSpec, and nothing else, for whatever the text may hold.
    """
    source = decoded(text, file)
    if json or file.endswith((".json", ".json5")):
        from penstock.text.jsontext import read_json

        return read_json(source, file)
    from penstock.text.yamltext import read_yaml

    return read_yaml(source, file)


def read_marked_stream(text: str | bytes, file: str) -> list[Node]:
    """All values of a file, whatever it is called: documents of YAML, of which one that begins as JSON does may also
    be JSON5, with several values one behind the other.

    Raises BadSpec.
    """
    source = decoded(text, file)
    # Each document keeps its lines and columns: what stands before it is blank.
    starts = [0, *(match.start() for match in _DOCUMENT.finditer(source)), len(source)]
    pieces = [(start, source[start:end]) for start, end in zip(starts, starts[1:], strict=False)]
    documents = [(source.count("\n", 0, start), _DOCUMENT.sub("   ", piece, 1)) for start, piece in pieces]
    said = ["\n" * lines + document for lines, document in documents if _SAYS.search(document)]
    if not said:
        raise BadSpec("the file is empty", f"{file}:1:1")
    return [node for document in said for node in _values(document, file)]


def _values(document: str, file: str) -> list[Node]:
    from penstock.text.yamltext import read_yaml

    if document.lstrip()[:1] not in ("{", "[", "/"):
        return [read_yaml(document, file)]
    from penstock.text.jsontext import read_json_stream

    try:
        return read_json_stream(document, file)
    except BadSpec:
        # YAML has brackets, too, and words in them that need no quotes. If it is neither, what JSON says is meant.
        try:
            return [read_yaml(document, file)]
        except BadSpec:
            pass
        raise


def decoded(source: str | bytes, file: str) -> str:
    """The text of a file. Raises BadSpec for one that is too large, or no text."""
    if len(source) > MAX_BYTES:
        raise BadSpec(f"the file has {len(source):,} bytes, at most {MAX_BYTES:,} are read", f"{file}:1:1")
    try:
        text = source.decode() if isinstance(source, bytes) else source
    except UnicodeDecodeError as error:
        before = error.object[: error.start].decode()
        message = f"byte 0x{error.object[error.start]:02x} is not UTF-8; save the file as UTF-8"
        raise BadSpec(message, place_of(before, len(before), file)) from None
    if text.startswith("\ufeff"):
        raise BadSpec("the file starts with a byte order mark; save it as UTF-8 without one", f"{file}:1:1")
    wrong = _NOT_TEXT.search(text)
    if wrong:
        message = f"the character U+{ord(wrong[0]):04X} cannot stand in a file of text; write it as an escape"
        raise BadSpec(message, place_of(text, wrong.start(), file))
    return text
