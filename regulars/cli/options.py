"""The options that commands share."""

import json
from pathlib import Path
from typing import Annotated

import typer

from regulars.folder import DEFAULT

DataDir = Annotated[
    Path, typer.Option("--data-dir", help="Folder of the deployment's data.", envvar="REGULARS_DATA_DIR")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]
DATA_DIR_DEFAULT = DEFAULT


def print_json(document: object) -> None:
    print(json.dumps(document, indent=2, ensure_ascii=False))
