"""Private views of the file system: a mount namespace in which directories of ours are seen at `/pfs/<name>`.

Its root is a small file system in memory with everything that `/` has bound into it, and `/pfs`, which is laid out anew
for every command. Nobody outside sees any of it. It needs no process: it lives while its owner holds it open, so that
nothing is left behind even if the owner is killed. Who is not root gets a user namespace around it, in which he is
himself, so that programs that change the user (`sudo`) do not work there.
"""

from __future__ import annotations

import ctypes
import os
import tempfile
from collections.abc import Callable, Mapping
from functools import cache

from penstock.model.errors import PenstockError

#: Where the directories are seen.
PLACE = "/pfs"
_CLONE_NEWNS, _CLONE_NEWUSER = 0x00020000, 0x10000000
_RDONLY, _NOSUID, _NODEV, _REMOUNT, _BIND, _MOVE = 1, 2, 4, 32, 4096, 8192
_REC, _SLAVE = 16384, 1 << 19
_DETACH = 2
_SAFE = _NOSUID | _NODEV


@cache
def try_out() -> None:
    """Raise PenstockError, saying why, where no view can be made."""
    with tempfile.TemporaryDirectory() as folder:
        Namespace(folder).close()


class Namespace:
    """One view; `folder` is an empty directory that it may use. Raises PenstockError where the system forbids it."""

    def __init__(self, folder: str) -> None:
        _libc()  # before the fork: a child should do little
        user, group = os.geteuid(), os.getegid()
        told, tell = os.pipe2(os.O_CLOEXEC)
        done, go = os.pipe2(os.O_CLOEXEC)
        pid = os.fork()
        if pid == 0:
            _in_child(tell, lambda: _build(folder, user, group))
            os.close(go)
            os.read(done, 1)  # stay until the parent holds what was made
            os._exit(0)
        os.close(tell)
        os.close(done)
        try:
            trouble = os.read(told, 4096).decode()
            if trouble:
                raise PenstockError(
                    f"nothing can be shown at {PLACE} here: {trouble}; use PENSTOCK_IN and PENSTOCK_OUT instead"
                )
            self._user = os.open(f"/proc/{pid}/ns/user", os.O_RDONLY | os.O_CLOEXEC) if user else -1
            self._mounts = os.open(f"/proc/{pid}/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
        finally:
            os.close(told)
            os.close(go)
            os.waitpid(pid, 0)

    def enter(self, places: Mapping[str, str]) -> None:
        """Go into the view for good and have these directories, by name, at `/pfs`. For a child that will exec."""
        libc = _libc()
        if self._user >= 0:
            _check(libc.setns(self._user, _CLONE_NEWUSER), "join the user namespace")
        _check(libc.setns(self._mounts, _CLONE_NEWNS), "join the mount namespace")
        libc.umount2(PLACE.encode(), _DETACH)  # of the command before this one, if there was any
        _mount("tmpfs", PLACE, "tmpfs", _SAFE, "mode=755,size=64k")
        for name, folder in places.items():
            os.mkdir(f"{PLACE}/{name}")
            _mount(folder, f"{PLACE}/{name}", None, _BIND | _REC)
        _mount(None, PLACE, None, _REMOUNT | _RDONLY | _SAFE)

    def point(self, places: Mapping[str, str]) -> None:
        """Show a process that is in the view already other directories. Raises PenstockError."""
        told, tell = os.pipe2(os.O_CLOEXEC)
        pid = os.fork()
        if pid == 0:
            _in_child(tell, lambda: self.enter(places))
            os._exit(0)
        os.close(tell)
        trouble = os.read(told, 4096).decode()
        os.close(told)
        os.waitpid(pid, 0)
        if trouble:
            raise PenstockError(f"the directories of a task cannot be shown at {PLACE}: {trouble}")

    def close(self) -> None:
        """Let go of it; it is gone with the last process in it."""
        for descriptor in (self._user, self._mounts):
            if descriptor >= 0:
                os.close(descriptor)


def _in_child(tell: int, work: Callable[[], None]) -> None:
    """Do the work of a forked child; what goes wrong is told to the parent, and the child ends."""
    try:
        work()
        os.close(tell)
    except BaseException as error:
        os.write(tell, str(error).encode()[:4000] or b"unknown")
        os._exit(1)


def _build(folder: str, user: int, group: int) -> None:
    """Make this process the first one in a new view, rooted in `folder`."""
    what = "make a mount namespace" if user == 0 else "make a user and a mount namespace"
    _check(_libc().unshare(_CLONE_NEWNS | (_CLONE_NEWUSER if user else 0)), what)
    if user:
        for name, text in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
            with open(f"/proc/self/{name}", "w") as file:
                file.write(text)
    _mount(None, "/", None, _REC | _SLAVE)
    _mount("tmpfs", folder, "tmpfs", _SAFE, "mode=755,size=1m")
    os.mkdir(folder + PLACE)
    with os.scandir("/") as entries:
        for entry in entries:
            target = f"{folder}/{entry.name}"
            if entry.is_symlink():
                os.symlink(os.readlink(entry.path), target)
            elif entry.path != PLACE:
                if entry.is_dir():
                    os.mkdir(target)
                else:
                    os.close(os.open(target, os.O_CREAT | os.O_WRONLY))
                _mount(entry.path, target, None, _BIND | _REC)
    # What was bound holds the new root once more, where it was made.
    _check(_libc().umount2(os.fsencode(folder + os.path.realpath(folder)), _DETACH), "tidy up the new root")
    _mount(None, folder, None, _REMOUNT | _RDONLY | _SAFE)
    os.chdir(folder)
    _mount(folder, "/", None, _MOVE)
    os.chroot(".")


def _mount(source: str | None, target: str, kind: str | None, flags: int, options: str = "") -> None:
    words = [None if word is None else os.fsencode(word) for word in (source, target, kind)]
    _check(_libc().mount(*words, ctypes.c_ulong(flags), options.encode()), f"mount {target}")


def _check(answer: int, what: str) -> None:
    if answer != 0:
        raise OSError(f"cannot {what}: {os.strerror(ctypes.get_errno())}")


@cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)
