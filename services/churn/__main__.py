"""Runs one process of the churn service: `python -m services.churn api | worker | train | migrate`."""

from services.churn.app import SERVICE
from shared.service import main

if __name__ == "__main__":
    main(SERVICE)
