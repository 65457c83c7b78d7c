"""Pachyderm: its pipeline specs, its words, and the commands of `pachctl`. What it calls a pipeline is a step here."""
