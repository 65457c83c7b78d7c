"""`gc`: delete what nothing needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from penstock.cli.options import json_option, project

if TYPE_CHECKING:
    from penstock.objects.garbage import Amount
    from penstock.service.keeping.garbage import Collected


@click.command()
@click.option("--grace", default="1h", show_default=True, metavar="TIME", help="How long garbage waits at least.")
@click.option("--now", is_flag=True, help="Delete at once; only while nothing else goes on in the project.")
@click.option("--results-older", default="30d", show_default=True, metavar="TIME", help="Forget unused results so old.")
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
@json_option
def gc(grace: str, now: bool, results_older: str, dry_run: bool, as_json: bool) -> None:
    """Delete what nothing needs any more.

    Safe beside everything else that goes on. First gives up what the rules of the repos (`penstock repo keep`) no
    longer cover. Then what nobody needs is condemned, and deleted by a later gc, once it has waited for the grace.
    """
    from penstock.cli.output import show_json
    from penstock.service.keeping.garbage import gc as collect
    from penstock.text.units import parse_seconds

    with project() as parts:
        done = collect(
            parts,
            grace=int(parse_seconds(grace) * 1e6),
            now=now,
            dry_run=dry_run,
            results_for=int(parse_seconds(results_older) * 1e6),
        )
    if as_json:
        show_json(done)
    else:
        _tell(done, dry_run)


def _tell(done: Collected, dry_run: bool) -> None:
    from penstock.cli.output import number, talk, when
    from penstock.model.views import show_time

    would = "would be " if dry_run else ""
    swept = done.swept
    for count, thing, fate in (
        (done.commits, "old commit", "given up"),
        (done.results, "old result", "forgotten"),
        (done.caches, "unused cache", "removed"),
        (done.code, "unused layout", "removed"),
    ):
        if count:
            print(f"{would}{fate}: {number(count, thing)}")
    print(f"{would}deleted: {_amount(swept.deleted)}")
    if swept.repacked.packs:
        print(f"{would}packed anew: {_amount(swept.repacked)}")
    if swept.since is not None:
        print(f"condemned: {_amount(swept.waiting)}, to be deleted from {when(show_time(swept.since + done.grace))} on")
    print(f"kept: {_amount(swept.kept)}")
    if done.busy:
        talk("nothing was deleted: somebody who began before it was condemned still stores something; gc again later")
    for line in swept.damage:
        talk(f"{line}; it stays as it is, see `penstock fsck --repair`")


def _amount(amount: Amount) -> str:
    from penstock.cli.output import number
    from penstock.text.units import show_size

    words = [number(amount.packs, "pack")] if amount.packs else []
    words += [number(amount.blobs, "large blob")] if amount.blobs else []
    return f"{' and '.join(words)}, {show_size(amount.bytes)}" if words else "nothing"
