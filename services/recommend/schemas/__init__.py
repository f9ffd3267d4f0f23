"""The requests and answers of the recommend service's routes."""
