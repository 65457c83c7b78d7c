"""Where the parts meet. May import everything below; starts workers through `runner`.

Its rooms, each of which may use those before it: `bindings` (what a job has to do), `opening` (what a commit or a `run`
opens), `data` (the verbs on versioned data), `driving` (the engine), `answers` (the questions). Beside them stand
`Project`, the embedded surface, and what all rooms need: `parts`, `layout`, `resolve`, `role`.
"""
