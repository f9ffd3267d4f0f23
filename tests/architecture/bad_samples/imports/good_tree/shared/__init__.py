"""What the sample services share."""
