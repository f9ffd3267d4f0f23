"""The recommend service of the sample."""
