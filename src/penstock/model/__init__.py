"""The nouns of Penstock: frozen data, identifiers, state tables and the pure functions that name things.

Lives here: what every other layer talks about. May import: the standard library, and msgspec for its
records. No clock, no disk, no randomness: whatever could differ between two calls is an argument.
"""
