"""Writing YAML that reads back as the same values, in the form that people write."""

from __future__ import annotations

import re
from typing import Any

_TAG = "tag:yaml.org,2002:"
#: Plain words that the library writes as text and that our reader, which knows YAML 1.2, takes for a number.
_NUMBERS = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|0o[0-7]+|0x[0-9a-fA-F]+")


def write_yaml(value: Any) -> str:
    """Keys in their order, lists of words on one line.

    >>> print(write_yaml({"steps": {"a": {"run": ["sh", "-c", "echo 1e3"], "stdin": ["1e3", "no"]}}}), end="")
    steps:
      a:
        run: [sh, -c, echo 1e3]
        stdin: ['1e3', 'no']
    """
    import yaml

    class Dumper(yaml.SafeDumper):
        """Knows what else is a number, and repeats a value rather than name it."""

        def ignore_aliases(self, data: Any) -> bool:
            return True

    def text_node(dumper: Dumper, data: str) -> Any:
        """Lines as lines; what cannot be seen as escapes."""
        seen = data.replace("\n", "").isprintable()
        return dumper.represent_scalar(f"{_TAG}str", data, style='"' if not seen else "|" if "\n" in data else None)

    Dumper.add_representer(str, text_node)
    Dumper.add_implicit_resolver(f"{_TAG}float", _NUMBERS, list("-+.0123456789"))
    text: str = yaml.dump(value, Dumper=Dumper, sort_keys=False, default_flow_style=None, allow_unicode=True, width=110)
    return text
