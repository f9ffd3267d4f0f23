"""`regulars erase CUSTOMER`: forget a person in every service, and print the certificate."""

from typing import Annotated
from uuid import UUID, uuid4

import typer

from regulars.cli.ingest_client import IngestClient, meant
from regulars.cli.options import DATA_DIR_DEFAULT, AsJson, DataDir, print_json
from regulars.errors import RegularsError

WAIT_SECONDS = 120.0

Customer = Annotated[
    str, typer.Argument(metavar="CUSTOMER", help="A customer's id, or NAMESPACE:VALUE such as phone:13912345678.")
]


def erase(  # noqa: PLR0913 (one argument an option)
    customer: Customer,
    reason: Annotated[str, typer.Option(help="Why; it is kept, so no names and no contact data.")],
    requested_by: Annotated[
        str, typer.Option(help="customer, authority or retailer; for a guardian use the API.")
    ] = "customer",
    wait_seconds: Annotated[float, typer.Option(help="For how long to wait for every service.")] = WAIT_SECONDS,
    data_dir: DataDir = DATA_DIR_DEFAULT,
    *,
    as_json: AsJson = False,
) -> None:
    """Forget a person in every service; exit 1 when not all have confirmed in time."""
    with IngestClient.of(data_dir) as ingest:
        body = {**meant(customer), "reason": reason, "requested_by": requested_by}
        erasure = ingest.post("/v1/erasures", body, idempotency_key=str(uuid4()))
        erasure_id = UUID(erasure["erasure_id"])
        path = f"/v1/erasures/{erasure_id}"
        confirmed = ingest.get_until(path, lambda shown: shown["state"] == "confirmed", wait_seconds)
        if confirmed["state"] != "confirmed":
            waiting = ", ".join(confirmed["waiting_for"]) or "ingest"
            raise RegularsError(
                f"erasure {erasure_id} is {confirmed['state']}; not confirmed yet by {waiting}. It goes on by itself:"
                f" GET {path} says how far it is"
            )
        certificate = ingest.get(f"{path}/certificate")
    if as_json:
        print_json(certificate)
        return
    print(f"erasure {erasure_id}: confirmed by {', '.join(one['service'] for one in confirmed['services'])}")
    for name, count in sorted(confirmed["counts"].items()):
        print(f"  {name}: {count}")
