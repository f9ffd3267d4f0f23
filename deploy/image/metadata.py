"""Writes the package's name and version into this Python, as an installation would: metadata.py PYPROJECT."""

import sys
import sysconfig
import tomllib
from pathlib import Path

with Path(sys.argv[1]).open("rb") as file:
    project = tomllib.load(file)["project"]
folder = Path(sysconfig.get_path("purelib")) / f"{project['name']}-{project['version']}.dist-info"
folder.mkdir()
metadata = f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
(folder / "METADATA").write_text(metadata, encoding="utf-8")
