"""From what clients send to drafts of our events: one module per family of inputs, no input or output."""
