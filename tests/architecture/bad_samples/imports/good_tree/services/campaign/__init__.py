"""The campaign service of the sample."""
