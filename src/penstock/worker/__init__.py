"""The only place where attempts run.

Lives here: `execute` (attempts in, results out) with what one attempt needs (`slot`, `log`, `environment`, `code`,
`storage`), and `loop` and `__main__`, the transport over a pipe: `python -m penstock.worker`. May import: `objects`,
`runner`, `model`. It never sees rows, never decides what runs next, and dies with the engine that feeds it.
"""
