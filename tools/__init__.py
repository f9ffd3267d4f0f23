"""Checks and generators for the people who work on the project; nothing that runs imports them."""
