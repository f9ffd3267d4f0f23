"""`regulars models|promote|rollback recommend|churn`: trained versions, and which of them is in use."""

from typing import Annotated, Any
from urllib.parse import quote

import httpx
import typer
from rich.console import Console
from rich.table import Table

from regulars.answers import document_of, refusal_of
from regulars.cli.options import DATA_DIR_DEFAULT, AsJson, DataDir, print_json
from regulars.cli.train import Trained
from regulars.cli.verify import credentials_of
from regulars.errors import RegularsError
from regulars.folder import DataFolder

TIMEOUT = httpx.Timeout(60.0, connect=3.0)
"""A version is read whole and tried before it comes into use."""
MAIN_FIGURES = ("ndcg@10_min", "basket.hit@10")


def models(service: Trained, data_dir: DataDir = DATA_DIR_DEFAULT, *, as_json: AsJson = False) -> None:
    """Show the trained versions, newest first: until when they learned, how well they did, and which is in use."""
    found = _asked(data_dir, service, "GET", "/v1/models")
    if as_json:
        print_json(found)
        return
    table = Table("version", "in use", "receipts until", "judged")
    for one in found["models"]:
        table.add_row(one["version"], "yes" if one["in_use"] else "", one["window_until"][:10], _judged(one))
    Console().print(table)


def promote(
    service: Trained,
    version: Annotated[str, typer.Argument(help="As `regulars models` shows it.")],
    data_dir: DataDir = DATA_DIR_DEFAULT,
) -> None:
    """Put a stored version into use; recommend's gate refuses one that is worse."""
    answer = _asked(data_dir, service, "POST", f"/v1/models/{quote(version, safe='')}:promote", {})
    print(f"{version} is in use" + (f": {answer['reason']}" if "reason" in answer else ""))


def rollback(service: Trained, data_dir: DataDir = DATA_DIR_DEFAULT) -> None:
    """Return to the version that was in use before."""
    answer = _asked(data_dir, service, "POST", "/v1/models:rollback", {})
    print(f"{answer.get('version', answer.get('model_in_use'))} is in use again")


def _judged(model: dict[str, Any]) -> str:
    """Say recommend's main figures; of churn what its gate said."""
    metrics = model.get("metrics", {})
    figures = [f"{name} {metrics[name]['value']:.4f}" for name in MAIN_FIGURES if name in metrics]
    return ", ".join([*figures, *model.get("gate_failures", [])])


def _asked(data_dir: DataDir, service: Trained, method: str, path: str, body: object = None) -> dict[str, Any]:
    """Ask the running service. Raises RegularsError with its own words where it says no."""
    credentials = credentials_of(DataFolder.of(data_dir))
    headers = {"Authorization": f"Bearer {credentials.api_key}"}
    address = credentials.addresses[service.value]
    try:
        with httpx.Client(base_url=address, headers=headers, timeout=TIMEOUT, trust_env=False) as client:
            answer = client.request(method, path, json=body)
    except httpx.HTTPError as error:
        reason = f"{service.value} at {address} does not answer ({type(error).__name__}); is it up?"
        raise RegularsError(reason) from error
    if answer.is_error:
        raise RegularsError(refusal_of(answer))
    return document_of(answer)
