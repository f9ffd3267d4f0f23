"""The rules of accepting: what is the same input, whose it is, what may be believed; no framework, no wire shape."""
