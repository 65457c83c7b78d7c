"""Where the parts meet: every verb and every question, the engine's loop, and one driver per state.

Lives here: `Project` (the embedded surface), what a commit or a `run` opens, the drivers that do the I/O between two
calls of `react`, and the answers people see. May import: everything below; starts workers through `runner`.
"""
