"""The database and the brokers that `regulars` can run by itself, on loopback, without Docker."""
