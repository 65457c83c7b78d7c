"""What `run` applies: the pipeline file and the project's code as one frozen version, and the linked directories.

Nothing is stored twice: scans know by size and times what is unchanged, trees share pages with the ones before.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from penstock.model.errors import BadOutput, BadSpec, NotFound, PenstockError, Refused
from penstock.model.run import Repo, Version
from penstock.model.spec import DEFAULT_BRANCH, Pipeline, RepoSpec, Step
from penstock.objects import map as pages_map
from penstock.objects import tree
from penstock.objects.blobs import Pages
from penstock.objects.checkout import LeadsOut
from penstock.objects.copies import blob_id
from penstock.objects.scan import scan
from penstock.service import resolve
from penstock.service.bindings.ledger import totals
from penstock.service.bindings.recipes import code_of, counts_code
from penstock.service.layout import PIPELINE_FILES, Layout
from penstock.service.opening.aliases import aliased
from penstock.service.opening.ignore import LARGEST, Skip, skipper
from penstock.service.opening.launch import Draft
from penstock.service.opening.telling import told_once
from penstock.service.parts import Parts
from penstock.text.lines import WORD


class Frozen(Struct, frozen=True):
    """A pipeline as it stands in the project now. `version` is the one in force if it says the same, else None."""

    pipeline: Pipeline
    spec: str
    code: bytes
    file: str
    version: Version | None
    warnings: tuple[str, ...]


def has_file(layout: Layout) -> bool:
    """Whether there is a pipeline file that need not be named."""
    try:
        pipeline_file(layout, None)
    except NotFound:
        return False
    except Refused:
        return True
    return True


def pipeline_file(layout: Layout, named: Path | None) -> Path:
    """The file to read: the one named, else the first of `pipeline.yaml` and its kin in the project's root.

    Raises NotFound; Refused where another one is nearer to the directory that the command was called in.
    """
    if named is not None:
        if not named.is_file():
            raise NotFound(f"{named}: no such pipeline file")
        return named.resolve()
    for directory in (layout.start, *layout.start.parents):
        for name in PIPELINE_FILES:
            if (directory / name).is_file():
                return _nearest(layout, directory / name)
        if directory == layout.root:
            break
    raise NotFound(f"{layout.root}: there is no pipeline.yaml here; write one, or name the file: `penstock run FILE`")


def _nearest(layout: Layout, file: Path) -> Path:
    if file.parent != layout.root:
        raise Refused(
            f"{file}: lies in {file.parent.name}/ of the project {layout.root}; name the file to use it there, "
            f"call this in {layout.root} for that one's own, or make {file.parent} a project with `penstock init`"
        )
    return file


def read_file(parts: Parts, named: Path | None) -> Pipeline:
    """What the pipeline file says now, without its images and the project's code. Raises BadSpec, NotFound."""
    path, file, known = _found(parts, named)
    if known is not None and _holds(parts, known[0].code, file, path):
        return known[1]
    return _read(parts, path, file, known)


def _found(parts: Parts, named: Path | None) -> tuple[Path, str, tuple[Version, Pipeline] | None]:
    """The pipeline file, what it is called from the project, and the version in force that came from it."""
    root = parts.layout.root
    path = pipeline_file(parts.layout, named)
    inside = path.is_relative_to(root)
    file = str(path.relative_to(root)) if inside else str(path)
    return path, file, _in_force(parts, file) if inside else None


def freeze(parts: Parts, named: Path | None, inherit: bool = False) -> Frozen:
    """Read the pipeline file and scan the code; with `inherit`, no step runs in a container. Raises BadSpec with
    file:line:column.
    """
    path, file, known = _found(parts, named)
    # Reading it would cost more than all the rest where nothing changed.
    if known is not None and _holds(parts, known[0].code, file, path):
        version, pipeline = known
        code, warnings = _code(parts, pipeline, file)
        same = aliased(str(parts.layout.root), with_images(pipeline, inherit)) == pipeline
        if code == version.code and same:
            return Frozen(pipeline, version.spec, code, file, version, warnings)
    return frozen_with(parts, _read(parts, path, file, known), file, inherit)


def frozen_with(parts: Parts, pipeline: Pipeline, file: str, inherit: bool = False) -> Frozen:
    """A pipeline together with the project's code, and its images, as they are now."""
    from penstock.text.canonical import pipeline_to_json

    pipeline = aliased(str(parts.layout.root), with_images(pipeline, inherit))
    spec = pipeline_to_json(pipeline)
    code, warnings = _code(parts, pipeline, file)
    same = same_in_force(parts, pipeline.name, spec, code)
    if same is None:
        warnings += tuple(told_once(parts, pipeline, code))
    return Frozen(pipeline, spec, code, file, same, warnings)


def _holds(parts: Parts, code: bytes, file: str, path: Path) -> bool:
    """Whether a tree of code has the file as it is now. (One that is ignored is in no tree; one that names files for
    their lines may say something else by now.)
    """
    entry = tree.lookup(parts.objects.pages, code, file)
    try:
        text = path.read_bytes()
    except OSError:
        return False
    return entry is not None and WORD not in text and entry.blobs == (blob_id(text),)


def with_images(pipeline: Pipeline, inherit: bool) -> Pipeline:
    """A pipeline whose images are what their names stand for now; with `inherit`, none counts. Raises BadSpec."""
    if all(step.env.image is None for step in pipeline.steps):
        return pipeline
    from penstock.runner.containers import image_id

    def with_image(step: Step) -> Step:
        if step.env.image is None:
            return step
        try:
            found = "" if inherit else image_id(step.env.image)
        except PenstockError as error:
            raise BadSpec(f'step "{step.name}": image {step.env.image}: {error}', step.where) from None
        return replace(step, env=replace(step.env, inherit=inherit, image_id=found))

    return replace(pipeline, steps=tuple(with_image(step) for step in pipeline.steps))


def _read(parts: Parts, path: Path, file: str, known: tuple[Version, Pipeline] | None) -> Pipeline:
    from penstock.text.pipeline import read_pipeline

    root = parts.layout.root
    # A file that names no pipeline goes on with the one it was, wherever the project lies by now.
    new_name = root.name if path.name in PIPELINE_FILES else path.stem
    try:
        text = path.read_bytes()
    except OSError as error:
        raise BadSpec(f"cannot be read: {error.strerror}", file) from error
    return read_pipeline(
        text,
        file,
        known_repos=[repo.name for repo in parts.store.load(Repo, "repos")],
        has_file=lambda name: (root / name).is_file(),
        default_name=known[1].name if known is not None else new_name,
        root=str(root),
        lines=lambda name: _content(root / name),
    )


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes() if path.is_file() else None
    except OSError as error:
        raise BadSpec(f"cannot be read: {error.strerror}", path.name) from error


def _in_force(parts: Parts, file: str) -> tuple[Version, Pipeline] | None:
    for row in parts.store.fetch("pipelines"):
        if row["file"] == file:
            version = parts.version(row["name"], row["version"])
            return version, parts.pipeline(version.pipeline, version.number)
    return None


def same_in_force(parts: Parts, name: str, spec: str, code: bytes) -> Version | None:
    """The version in force of a pipeline, if it says just this."""
    for row in parts.store.fetch("pipelines"):
        if row["name"] == name:
            version = parts.version(name, row["version"])
            if version.spec == spec and version.code == code:
                return version
    return None


def _code(parts: Parts, pipeline: Pipeline, file: str) -> tuple[bytes, tuple[str, ...]]:
    """The root of the code tree, and warnings about files too large to be code.

    Publishing steps run in a frozen copy of the project, so all of it is code. Plain steps run in the project as it is
    and may write there: where there are no others, only what counts for one of them is code.
    """
    root = parts.layout.root
    warnings: list[str] = []
    linked = (repo.path for repo in pipeline.repos if repo.path is not None)
    apart = [path for path in linked if not path.startswith(("/", "../"))] + _exported(pipeline)
    skip = _without_large(root, skipper(root, apart), warnings)
    try:
        found = scan(root, parts.layout.scans / ".code", skip, outside=_outside(root))
        whole = found.commit(parts.objects.blobs)
    except BadOutput as error:
        raise BadOutput(f"{error}; the project's code cannot hold it: move it, or name it in .penstockignore") from None
    if any(step.publishes for step in pipeline.steps):
        return whole, tuple(warnings)
    pages = parts.objects.pages
    counted = dict(entry for step in pipeline.steps if counts_code(step) for entry in code_of(pages, step, whole))
    itself = pages_map.get(pages, whole, file.encode())
    if itself is not None:
        counted[file] = itself
    with parts.objects.writer() as writer:
        entries = sorted((path.encode(), content) for path, content in counted.items())
        return pages_map.build(Pages(parts.objects.blobs, writer), entries), tuple(warnings)


def _outside(root: Path) -> Callable[[str, str], str]:
    """How a link is kept that is absolute or leads out of the project: from wherever it is laid out, it leads to where
    it leads now; inside the project that is a place in the tree.
    """

    def kept(path: str, target: str) -> str:
        here = os.path.dirname(root / path)
        full = os.path.normpath(os.path.join(here, target))
        return os.path.relpath(full, here) if full.startswith(f"{root}/") else full

    return kept


def _exported(pipeline: Pipeline) -> list[str]:
    """What copies of outputs in the project are called: they are no code."""
    places = [step.export.to.removeprefix("sqlite:///") for step in pipeline.steps if step.export is not None]
    return places + [f"{place}-journal" for place in places]


def _without_large(root: Path, skip: Skip, warnings: list[str]) -> Skip:
    def skipped(path: str, directory: bool) -> bool:
        if skip(path, directory):
            return True
        if directory:
            return False
        size = (root / path).lstat().st_size
        if size > LARGEST:
            warnings.append(f"{path}: {size:,} bytes, too large to be code; put it into a repo or an ignore file")
        return size > LARGEST

    return skipped


# Linked directories.


def linked_tree(parts: Parts, name: str, path: str, follow: bool, where: str = "") -> bytes:
    """Store what changed in the directory that a repo is linked to, and return the root of its tree."""
    directory = parts.layout.root / path
    if not directory.is_dir():
        place = "" if os.path.isabs(path) else " in the project"
        raise BadSpec(f"repo {name!r}: there is no directory {path!r}{place}", where)
    if parts.layout.root.is_relative_to(directory.resolve()):
        raise BadSpec(f"repo {name!r}: {path!r} holds the project itself, which cannot be linked", where)
    try:
        found = scan(directory, parts.layout.scans / name, lambda path, directory: False, follow=follow)
        return found.commit(parts.objects.blobs)
    except LeadsOut as error:
        way = "`follow: true` beside its `path` in the pipeline file takes what links lead to"
        raise BadOutput(f"repo {name!r}, linked to {path}/: {error}; {way}") from None
    except BadOutput as error:
        raise BadOutput(f"repo {name!r}, linked to {path}/: {error}") from None


def link_drafts(parts: Parts, repos: Collection[RepoSpec], left: list[str] | None = None) -> list[Draft]:
    """What changed in the linked directories since their heads, as commits to be made. What cannot be taken in is
    passed by if there is a list of what is `left`, and why.
    """
    drafts = []
    for spec in repos:
        try:
            drafts.append(link_draft(parts, spec))
        except (PenstockError, OSError) as error:
            if left is None:
                raise
            left.append(f"repo {spec.name!r} is not committed for now: {error}")
    return [draft for draft in drafts if draft is not None]


def link_draft(parts: Parts, spec: RepoSpec) -> Draft | None:
    """The same of one directory; None if nothing changed there, or the repo is not linked."""
    if spec.path is None:
        return None
    root = linked_tree(parts, spec.name, spec.path, spec.follow, spec.where)
    there = parts.store.load(Repo, "repo", name=spec.name)
    branch = there[0].default_branch if there else DEFAULT_BRANCH
    head = resolve.head(parts, spec.name, branch)
    if head is not None and head.root == root:
        return None
    files, size = totals(
        parts.objects.pages, head.root if head else b"", root, head.files if head else 0, head.size if head else 0
    )
    return Draft(spec.name, branch, head.id if head else None, root, files, size, "link")
