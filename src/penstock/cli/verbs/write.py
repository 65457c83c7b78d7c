"""`put` and `rm`: one atomic commit each, and the run it opens."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from penstock.cli.options import COUNT, json_option, message_option, project

if TYPE_CHECKING:
    from penstock.service.data.committing import Written
    from penstock.service.data.sources import Taking
    from penstock.service.parts import Parts


@click.command()
@click.argument("target", metavar="REPO[@BRANCH][:/PATH]")
@click.argument("sources", metavar="SRC...", nargs=-1, required=True)
@click.option("--mirror", is_flag=True, help="Also delete what the sources do not have.")
@click.option("--append", is_flag=True, help="Add the bytes at the end of files that exist.")
@click.option("--extract", is_flag=True, help="Store what the archives hold (tar, tar.gz, .bz2, .xz, .zst, zip).")
@click.option("--max-size", metavar="SIZE", help="Of one fetched file, or of all an archive holds [1 TiB].")
@click.option("--max-members", metavar="N", type=COUNT, help="Of an archive [1,000,000].")
@click.option("--max-ratio", metavar="N", type=COUNT, help="Bytes out of an archive per byte in [200].")
@message_option
@json_option
def put(
    target: str,
    sources: tuple[str, ...],
    mirror: bool,
    append: bool,
    extract: bool,
    max_size: str | None,
    max_members: int | None,
    max_ratio: int | None,
    message: str,
    as_json: bool,
) -> None:
    """Store files and directories in one commit.

    A missing repo is made. DIR stores DIR/..., DIR/ its contents. SRC may also be an address (http://, https://,
    s3://BUCKET/KEY, s3://BUCKET/PREFIX/ with all below it) or - for standard input. Prints the commit.
    """
    from penstock.model.ids import parse_reference
    from penstock.service.data import writing as data

    taking = taking_of(extract, max_size, max_members, max_ratio)
    with project() as parts:
        written = data.put(
            parts,
            parse_reference(target),
            sources,
            mirror=mirror,
            append=append,
            message=message,
            taking=taking,
        )
        report(parts, written, as_json)


@click.command()
@click.argument("target", metavar="REPO[@BRANCH]:/PATH")
@click.option("-r", "-R", "--recursive", is_flag=True, help="A directory with all its files.")
@message_option
@json_option
def rm(target: str, recursive: bool, message: str, as_json: bool) -> None:
    """Delete files in one commit. Earlier commits keep them."""
    from penstock.model.ids import parse_reference
    from penstock.service.data import writing as data

    with project() as parts:
        report(parts, data.remove(parts, parse_reference(target), recursive=recursive, message=message), as_json)


def taking_of(extract: bool, max_size: str | None, max_members: int | None, max_ratio: int | None) -> Taking:
    """How sources that are not simply files are taken."""
    from penstock.objects.archives import Limits
    from penstock.service.data import sources
    from penstock.text.units import parse_size

    if not extract and (max_members or max_ratio):
        raise click.UsageError("--max-members and --max-ratio go with --extract")
    most = parse_size(max_size) if max_size is not None else None
    usual = Limits()
    limits = Limits(usual.size if most is None else most, max_members or usual.members, max_ratio or usual.ratio)
    return sources.Taking(extract, limits, most, sys.stdin.buffer)


def report(parts: Parts, written: Written, as_json: bool) -> None:
    """The commit on stdout; what came with it on stderr."""
    from penstock.cli.output import number, short, show_json, talk
    from penstock.service.answers.views import commit_view
    from penstock.text.units import show_size

    made = written.commit
    if written.made_repo:
        talk(f"made repo {made.repo}")
    if as_json:
        show_json(commit_view(made))
    else:
        print(f"{made.repo}@{made.id}")
    holds = f"{number(made.files, 'file')}, {show_size(made.size)}"
    if made.finished is None:
        talk(
            f"into the open commit {short(made.id)} of {made.repo}@{made.branch}: {written.changed} written or deleted"
        )
        talk(f"it holds {holds}; `penstock commit finish {short(made.id)}` makes it count")
        return
    talk(f"{made.repo}@{made.branch} holds {holds}; {written.changed} written or deleted")
    tell_run(parts, made.run)


def tell_run(parts: Parts, run: str | None) -> None:
    """Say which run a commit opened, and who drives it."""
    if run is None:
        return
    from penstock.cli.output import number, short, talk
    from penstock.model.run import Job
    from penstock.service.role import holder

    jobs = len(parts.store.load(Job, "jobs_of_run", run=run))
    engine = holder(parts.layout.lock)
    alone = f"nothing drives it: `penstock wait {short(run)}` or `penstock run`"
    driven = f"engine is {engine}, driving it" if engine else alone
    talk(f"opened run {short(run)} ({number(jobs, 'job')}); {driven}")
