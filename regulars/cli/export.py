"""`regulars export CUSTOMER`: all that all services hold of a person, as one JSON document."""

import json
from pathlib import Path
from typing import Annotated

import typer

from regulars.cli.erase import Customer
from regulars.cli.ingest_client import IngestClient, meant
from regulars.cli.options import DATA_DIR_DEFAULT, DataDir, print_json
from regulars.errors import RegularsError
from regulars.files import write_private

WAIT_SECONDS = 120.0


def export(
    customer: Customer,
    purpose: Annotated[str, typer.Option(help="What for; it is recorded.")],
    output: Annotated[Path | None, typer.Option(help="Write here, for your eyes only, instead of printing.")] = None,
    wait_seconds: Annotated[float, typer.Option(help="For how long to wait for every service.")] = WAIT_SECONDS,
    data_dir: DataDir = DATA_DIR_DEFAULT,
) -> None:
    """Gather all that is held of a person; exit 1 when not every service answered in time."""
    with IngestClient.of(data_dir) as ingest:
        asked = ingest.post("/v1/exports", {**meant(customer), "purpose": purpose})
        path = f"/v1/exports/{asked['export_id']}"
        document = ingest.get_until(path, lambda shown: shown["document"] is not None, wait_seconds)["document"]
    if document is None:
        raise RegularsError(f"export {asked['export_id']} waits for a service; ask GET {path} of ingest later")
    if output is None:
        print_json(document)
        return
    write_private(output, json.dumps(document, indent=2, ensure_ascii=False) + "\n")
    print(f"{output}: {', '.join(sorted(document['services']))}")
