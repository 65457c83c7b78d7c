"""Torc: its words, and the commands of `torc`. What it calls a workflow is a pipeline here, a job a step."""
