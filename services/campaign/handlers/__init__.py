"""The use cases of campaign: load, decide by the domain, save and say."""
