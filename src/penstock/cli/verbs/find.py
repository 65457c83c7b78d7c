"""`find`: which commits touched a path."""

from __future__ import annotations

import click

from penstock.cli.options import COUNT, json_option, project


@click.command()
@click.argument("source", metavar="REPO[@REF]:/PATH")
@click.option("-n", "--limit", type=COUNT, default=50, show_default=True, help="At most so many.")
@json_option
def find(source: str, limit: int, as_json: bool) -> None:
    """Show which commits touched a path.

    A file, or anything below a directory; newest first."""
    from itertools import islice

    from penstock.cli.output import short, show_json, show_table, talk, when
    from penstock.model.ids import parse_reference
    from penstock.model.views import TouchView
    from penstock.service.answers.views import commit_view
    from penstock.service.data import history

    with project() as parts:
        reference = parse_reference(source)
        found = list(islice(history.find(parts, reference), limit + 1))
    touches = [TouchView(touch.change, commit_view(touch.commit)) for touch in found[:limit]]
    # The next touch begins where the search would go on.
    going_on = found[limit].commit.id if len(found) > limit else None
    if as_json:
        show_json({"touches": touches, "next": going_on})
        return
    rows = [
        (short(item.commit.commit), when(item.commit.created), item.change, item.commit.origin, item.commit.message)
        for item in touches
    ]
    show_table(("COMMIT", "TIME", "CHANGE", "ORIGIN", "MESSAGE"), rows)
    if going_on is not None:
        talk(f"more: penstock find {reference.repo}@{short(going_on)}:/{reference.path}")
