"""`regulars train recommend|churn`: train a model on what the service knows now."""

from enum import StrEnum
from typing import Annotated

import typer

from regulars.cli.options import DATA_DIR_DEFAULT, DataDir
from regulars.folder import DataFolder
from regulars.training import train as train_service


class Trained(StrEnum):
    """The services that have a model."""

    RECOMMEND = "recommend"
    CHURN = "churn"


def train(
    service: Trained,
    data_dir: DataDir = DATA_DIR_DEFAULT,
    *,
    wait: Annotated[  # noqa: ARG001 - there is nothing else that it could do
        bool, typer.Option("--wait", help="Changes nothing: training always runs to its end before this returns.")
    ] = False,
    as_of: Annotated[str | None, typer.Option(help="Use nothing after this date (YYYY-MM-DD).")] = None,
) -> None:
    train_service(DataFolder.of(data_dir), service, print, ["--as-of", as_of] if as_of else [])
