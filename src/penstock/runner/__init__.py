"""Starting and stopping what executes: local processes, and a dry stand-in that starts none.

Lives here: the `Runner` protocol (`base`), its back ends (`process`, `dry`), how a command is found and why one cannot
be started (`command`), what an engine that died left running (`leftovers`), and frames over a pipe (`pipe`), the one
transport of today, used at both ends. May import: `model`. A back end never thinks: it starts, tells what ended, stops.
"""
