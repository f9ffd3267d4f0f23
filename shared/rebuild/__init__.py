"""Making a service's derived tables anew from the producers' logs, beside the live ones, and swapping them."""
