"""The use cases of the recommend service: applying events, answering requests, keeping models."""
