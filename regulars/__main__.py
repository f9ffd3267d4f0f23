"""The command `regulars`: 0 done, 1 failed, 2 wrong usage."""

import sys

from regulars.cli.table import build_app, chosen_command
from regulars.errors import RegularsError


def main(arguments: list[str] | None = None) -> None:
    """Run one command and exit."""
    words = sys.argv[1:] if arguments is None else arguments
    try:
        build_app(chosen_command(words))(words)
    except RegularsError as error:
        print(f"regulars: {error}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
