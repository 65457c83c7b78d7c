"""Copying the output of a step to where it is asked for: files, objects, rows. A process of its own does it."""
