"""`python -m services.campaign api | worker | migrate`."""

from services.campaign.app import SERVICE
from shared.service import main

if __name__ == "__main__":
    main(SERVICE)
