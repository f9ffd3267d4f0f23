"""Request and response bodies. Amounts are integer minor units; times are RFC 3339 in UTC."""
