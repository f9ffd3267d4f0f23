"""Owns how long work tells what it is at."""

from collections.abc import Callable

Progress = Callable[[str], None]
"""Hears one line at every step."""
