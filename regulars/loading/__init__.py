"""Owns sending history through ingest's HTTP API, as tills and back offices would."""
