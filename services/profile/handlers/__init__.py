"""The use cases of the profile service: facts in, transitions out, profiles read."""
