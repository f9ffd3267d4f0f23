"""Sources: who may send, how much, what became of it, and whose webhooks are believed."""
