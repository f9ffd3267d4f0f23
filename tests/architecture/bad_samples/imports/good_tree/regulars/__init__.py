"""The command line of the sample."""
