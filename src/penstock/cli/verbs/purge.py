"""`purge`: a path out of all history and results."""

from __future__ import annotations

import click

from penstock.cli.options import json_option, project


@click.command()
@click.argument("target", metavar="REPO:/PATH")
@click.option("-y", "--yes", is_flag=True, help="Do it; without, only say what would go.")
@json_option
def purge(target: str, yes: bool, as_json: bool) -> None:
    """Take a path out of all history and results.

    A file, or a directory with all below it, leaves every commit and everything that was computed from it.
    Old commits keep their ids. Branches that had it get a commit without it, and what reads them runs anew.
    """
    from penstock.cli.output import number, show_json, talk
    from penstock.cli.verbs.write import tell_run
    from penstock.model.ids import parse_reference
    from penstock.service.data import purging

    with project() as parts:
        done = purging.purge(parts, parse_reference(target), dry=not yes)
        if as_json:
            show_json(purging.purge_view(done, yes))
        else:
            for commit, _ in done.commits:
                print(f"{commit.repo}@{commit.id}")
        what = f"{number(len(done.paths), 'path')} of {number(len(done.commits), 'commit')}"
        results = f"results of {number(len(done.jobs), 'job')}"
        talk(f"{'took' if yes else 'would take'} {what} away, and {results}")
        for run in done.runs:
            tell_run(parts, run.id)
    for place in done.elsewhere[: purging.FEW]:
        talk(f"the same bytes are in {place}, too")
    if len(done.elsewhere) > purging.FEW:
        talk(f"and in {len(done.elsewhere) - purging.FEW} more files")
    talk("`penstock gc --now` frees the bytes" if yes else "nothing was changed; --yes does it")
