"""The `export` of a step: where its output is copied to."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, cast
from urllib.parse import SplitResult, parse_qsl, urlsplit

from msgspec.structs import replace

from penstock.model.errors import BadPath, BadSpec
from penstock.model.paths import check_path
from penstock.model.spec import Export, RepoSpec, Step
from penstock.text import fields
from penstock.text.nodes import Node

MAX_TRIES = 1000
_EXPECTED = "expected a directory, s3://BUCKET/PREFIX, postgresql://HOST/DATABASE or sqlite:///FILE"
_DATABASES = ("postgresql", "sqlite")
_FILES_ONLY = ("mirror",)
_TABLES_ONLY = ("table", "format", "columns", "mode")
_TABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_$]{0,62}(\.[A-Za-z_][A-Za-z0-9_$]{0,62})?")
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
#: What a URL of PostgreSQL may carry beside the password itself.
_SECRETS = ("password", "sslpassword", "passfile")


def read_export(node: Node, what: str) -> Export:
    """Raises BadSpec."""
    if not isinstance(node.value, dict):
        return Export(_target(node, what), where=node.where)
    values = fields.keys_of(node, what, ("to", *_FILES_ONLY, *_TABLES_ONLY, "tries", "wait"))
    if "to" not in values:
        node.fail(f"{what}: `to` is missing; {_EXPECTED}")
    to = _target(values["to"], f"{what}.to")
    database = to.partition("://")[0] in _DATABASES
    for key in _FILES_ONLY if database else _TABLES_ONLY:
        if key in values:
            of = "a directory or s3://" if database else "a database"
            (node.keys or {})[key].fail(f"{what}: `{key}` is for {of}, and this goes to {to}")
    plain = Export(to)
    return Export(
        to,
        mirror=fields.boolean(values["mirror"], f"{what}.mirror") if "mirror" in values else plain.mirror,
        table=_table(values["table"], f"{what}.table") if "table" in values else plain.table,
        format=cast(Any, _format(values["format"], f"{what}.format") if "format" in values else plain.format),
        columns=_columns(values["columns"], f"{what}.columns") if "columns" in values else plain.columns,
        mode=cast(Any, fields.choice(values["mode"], f"{what}.mode", ("replace", "append")))
        if "mode" in values
        else plain.mode,
        tries=fields.whole(values["tries"], f"{what}.tries", 1, MAX_TRIES) if "tries" in values else plain.tries,
        wait=fields.seconds(values["wait"], f"{what}.wait") if "wait" in values else plain.wait,
        where=node.where,
    )


def check_exports(steps: Mapping[str, Step], repos: Mapping[str, RepoSpec]) -> None:
    """Raise BadSpec where files of a step would go among those of another step, or of a linked repo."""
    taken = {repo.path: f'repo "{repo.name}" is linked to, at {repo.where}' for repo in repos.values() if repo.path}
    for name, step in steps.items():
        if step.export is None or step.export.kind in _DATABASES:
            continue
        to = step.export.to
        for other, who in taken.items():
            if to == other or to.startswith(f"{other}/") or other.startswith(f"{to}/"):
                message = f"{to} is, holds or lies in {other}, which {who}; use another directory"
                raise BadSpec(f'step "{name}": export: {message}', step.export.where)
        taken[to] = f'step "{name}" exports to, at {step.export.where}'


def _target(node: Node, what: str) -> str:
    value = fields.text(node, what, "a directory or a URL")
    scheme, colon, rest = value.partition("://")
    if not colon:
        return _directory(node, what, value)
    try:
        url = urlsplit(value)
        secret = bool(url.password) or any(key in _SECRETS for key, _ in parse_qsl(url.query))
        fine = url.port is None or url.port > 0
    except ValueError:
        node.fail(f"{what}: this URL cannot be read; {_EXPECTED}")
    if secret:
        node.fail(
            f"{what}: a password has no place in a pipeline file; leave it out and set PGPASSWORD, or use ~/.pgpass"
        )
    if scheme in ("postgresql", "postgres") and fine and url.path.strip("/") and not url.fragment:
        return f"postgresql://{rest}"
    if scheme == "sqlite" and rest.startswith("/") and rest[1:]:
        return f"sqlite:///{_path(node, what, rest[1:])}"
    if scheme == "s3" and _is_prefix(url):
        return f"s3://{url.netloc}/{url.path.strip('/')}".rstrip("/")
    node.fail(f'{what}: "{scheme}://…" cannot be exported to as it stands; {_EXPECTED}')


def _is_prefix(url: SplitResult) -> bool:
    parts = url.path.strip("/").split("/")
    clean = parts == [""] or not any(part in ("", ".", "..") for part in parts)
    return clean and not url.query and not url.fragment and _BUCKET.fullmatch(url.netloc) is not None


def _directory(node: Node, what: str, value: str) -> str:
    path = _path(node, what, value)
    if path == ".":
        node.fail(f"{what}: the project itself cannot be exported to; name a directory in it")
    return path


def _path(node: Node, what: str, value: str) -> str:
    """A path below the project, or an absolute one."""
    if not value.startswith("/"):
        return fields.directory(replace(node, value=value), what)
    try:
        return f"/{check_path('/'.join(part for part in value.split('/') if part not in ('', '.')))}"
    except BadPath as error:
        node.fail(f"{what}: {error}")


def _table(node: Node, what: str) -> str:
    name = fields.text(node, what, "the name of a table")
    if not _TABLE.fullmatch(name):
        node.fail(f'{what}: "{name[:80]}" is no name of a table; expected TABLE or SCHEMA.TABLE')
    return name


def _format(node: Node, what: str) -> str:
    if node.value == "parquet":
        node.fail(f"{what}: parquet cannot be loaded into a table; let the step write csv or json")
    return fields.choice(node, what, ("csv", "json"))


def _columns(node: Node, what: str) -> tuple[str, ...]:
    seen: dict[str, Node] = {}
    for item in fields.items(node, what, "names of columns"):
        name = fields.text(item, what, "the name of a column")
        if not name or seen.setdefault(name, item) is not item:
            item.fail(f'{what}: "{name}" {"stands there twice" if name else "is no name of a column"}')
    return tuple(seen)
