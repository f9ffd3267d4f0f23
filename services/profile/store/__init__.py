"""All SQL of the profile service, named by intent."""
