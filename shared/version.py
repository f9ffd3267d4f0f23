"""The version of this code: what a brake remembers and a model's manifest names."""

from importlib.metadata import version

CODE_VERSION = version("regulars")
