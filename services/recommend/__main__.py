"""Runs one process of the recommend service: `python -m services.recommend api | worker | train | migrate`."""

from services.recommend.app import SERVICE
from shared.service import main

if __name__ == "__main__":
    main(SERVICE)
