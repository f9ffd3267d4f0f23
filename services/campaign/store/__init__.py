"""All SQL of campaign, by what it is about."""
