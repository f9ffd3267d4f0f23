"""The commands of `regulars`: one module per command, listed in `regulars.cli.table`."""
