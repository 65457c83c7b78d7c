"""Faces: definitions and commands of other systems, translated to Penstock's own and back.

Each has `words` (their states as a pure function of ours), `spec` (their definitions) and `commands`. May import: every
layer below. Nothing below knows of them; `cli` mounts them lazily.
"""
