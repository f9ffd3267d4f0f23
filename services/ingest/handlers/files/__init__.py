"""Files: imports as their senders see them, and how the worker reads them."""
