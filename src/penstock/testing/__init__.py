"""Conformance suites: what every back end of a boundary must do, as classes of pytest tests to inherit from.

Lives here: one module per boundary. Another back end is a test file that inherits the suite and gives its fixture. May
import: anything below, and pytest, which those who write back ends bring themselves.
"""
