"""All SQL of the recommend service, named by intent."""
