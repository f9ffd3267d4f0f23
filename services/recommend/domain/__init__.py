"""What recommend decides, in plain values: no framework, no clock, no database."""
