"""Offline evaluations on real history, of exactly the code that serves."""
