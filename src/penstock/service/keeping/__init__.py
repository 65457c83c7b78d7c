"""Housekeeping: which bytes stay, giving up the others, and what takes how much room."""
