"""`python -m services.ingest api | worker | migrate`."""

from services.ingest.app import SERVICE
from shared.service import main

main(SERVICE)
