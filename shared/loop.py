"""Owns which event loop a worker runs on: the same as an API's, uvloop where the platform has it."""

import sys

if sys.platform == "win32":
    from asyncio import new_event_loop
else:
    from uvloop import new_event_loop

__all__ = ["new_event_loop"]
