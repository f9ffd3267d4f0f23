"""Owns `regulars demo`: the main job on real shopping history, and the screen that tells it."""
