"""`regulars down`: stop what `up` started."""

from regulars.background import stop
from regulars.cli.options import DATA_DIR_DEFAULT, DataDir
from regulars.folder import DataFolder


def down(data_dir: DataDir = DATA_DIR_DEFAULT) -> None:
    folder = DataFolder.of(data_dir)
    print("stopped" if stop(folder) else f"nothing was running on {folder.root}")
