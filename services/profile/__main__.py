"""Runs one process of the profile service: `python -m services.profile api | worker | migrate`."""

from services.profile.app import SERVICE
from shared.service import main

if __name__ == "__main__":
    main(SERVICE)
