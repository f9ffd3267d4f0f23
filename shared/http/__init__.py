"""The HTTP skeleton of every service; import its modules one by one: a worker's client needs no FastAPI."""
