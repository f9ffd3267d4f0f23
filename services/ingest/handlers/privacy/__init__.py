"""Privacy: forgetting a person, giving out what is held of them, and keeping inputs only so long."""
