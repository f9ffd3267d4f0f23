"""Answers questions from memory: the shelf as it is, the customer's past, placements, limits."""
