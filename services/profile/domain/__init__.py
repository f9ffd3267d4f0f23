"""The rules of the profile: pure functions of facts and of the moment asked about."""
