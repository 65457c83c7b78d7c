"""The rules, as pure functions: what follows from what happened, which bindings changed, why something is as it is.

Lives here: `react` (rows and facts to changed rows), `expand` (inputs and their changes to bindings), `claims` (who
writes which path), `explain`. May import: `model`, and msgspec for its records. No clock, no disk, no randomness: they
are arguments.
"""
