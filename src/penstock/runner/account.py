"""Running commands as another user, which only root may."""

from __future__ import annotations

import os
import pwd
from functools import cache

from msgspec import Struct

from penstock.model.errors import BadCommand


class Account(Struct, frozen=True):
    """Who runs a command; `prefix` are the words that make it his."""

    uid: int
    gid: int
    prefix: tuple[str, ...]
    vars: dict[str, str]


@cache
def account(name: str) -> Account | None:
    """The account of that name or number, None if it is ours. Raises BadCommand saying why we cannot run as it."""
    try:
        found = pwd.getpwuid(int(name)) if name.isdigit() else pwd.getpwnam(name)
    except KeyError:
        raise BadCommand(f"user {name!r}: there is no such user on this machine") from None
    if found.pw_uid == os.geteuid():
        return None
    if os.geteuid() != 0:
        raise BadCommand(f"user {name!r}: only root may run tasks as somebody else; leave `user` out")
    prefix = ("setpriv", f"--reuid={found.pw_uid}", f"--regid={found.pw_gid}", "--init-groups", "--")
    own = {"HOME": found.pw_dir, "USER": found.pw_name, "LOGNAME": found.pw_name}
    return Account(found.pw_uid, found.pw_gid, prefix, own)
