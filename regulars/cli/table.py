"""Every command in one table. Only the chosen command's module is imported, so that help is quick.

To add a command: write `regulars/cli/NAME.py` with a function (or a `typer.Typer` for a command with
subcommands) and add its line here.
"""

from dataclasses import dataclass
from importlib import import_module

import typer


@dataclass(frozen=True, slots=True)
class CommandEntry:
    """A command: its name, `module:attribute` of the function or `typer.Typer`, and its line in the help."""

    name: str
    target: str
    help: str

    def load(self) -> object:
        module, _, attribute = self.target.partition(":")
        return getattr(import_module(module), attribute)


COMMANDS: tuple[CommandEntry, ...] = (
    CommandEntry("up", "regulars.cli.up:up", "Start everything and keep it running."),
    CommandEntry("down", "regulars.cli.down:down", "Stop what `up` started."),
    CommandEntry("status", "regulars.cli.status:status", "Show what runs, how it is and how far it lags."),
    CommandEntry("logs", "regulars.cli.logs:logs", "Show the log of a service."),
    CommandEntry("demo", "regulars.cli.demo:demo", "The main job on real shopping history, end to end."),
    CommandEntry("load", "regulars.cli.load:load", "Send history through the ingest API."),
    CommandEntry("train", "regulars.cli.train:train", "Train a model on what a service knows."),
    CommandEntry("models", "regulars.cli.models:models", "Trained versions, and which is in use."),
    CommandEntry("promote", "regulars.cli.models:promote", "Put a trained version into use."),
    CommandEntry("rollback", "regulars.cli.models:rollback", "Return to the version that was in use before."),
    CommandEntry("evaluate", "regulars.cli.evaluate:evaluate", "Evaluate on real history the code that serves."),
    CommandEntry("bench", "regulars.cli.bench:bench", "Measure, beside targets and bare limits of the same run."),
    CommandEntry("verify", "regulars.cli.verify:verify", "Recount every invariant; show what does not hold."),
    CommandEntry("deadletters", "regulars.cli.deadletters:app", "Events that could not be applied, and what to do."),
    CommandEntry("rebuild", "regulars.cli.rebuild:rebuild", "Make a service's derived tables anew while it serves."),
    CommandEntry("restored", "regulars.cli.restored:restored", "After one service was restored: rename its log."),
    CommandEntry("erase", "regulars.cli.erase:erase", "Forget a person in every service; print the certificate."),
    CommandEntry("export", "regulars.cli.export:export", "Print all that all services hold of a person."),
    CommandEntry("keys", "regulars.cli.keys:app", "API keys: who may call the services, and until when."),
    CommandEntry("sources", "regulars.cli.sources:app", "Write keys: who sends to ingest as a web shop or app."),
    CommandEntry("doctor", "regulars.cli.doctor:doctor", "Find what is wrong and say what to do."),
)


def build_app(chosen: str | None, commands: tuple[CommandEntry, ...] = COMMANDS) -> typer.Typer:
    """Make the application with the chosen command complete and the others by name and help only."""
    app = typer.Typer(
        name="regulars",
        help="Known customers, recommendations, churn warnings and measured campaigns.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
    )
    app.callback()(_always_a_group)
    for entry in commands:
        if entry.name != chosen:
            app.command(entry.name, help=entry.help)(_always_a_group)
            continue
        loaded = entry.load()
        if isinstance(loaded, typer.Typer):
            app.add_typer(loaded, name=entry.name, help=entry.help)
        else:
            assert callable(loaded)
            app.command(entry.name, help=entry.help)(loaded)
    return app


def chosen_command(arguments: list[str], commands: tuple[CommandEntry, ...] = COMMANDS) -> str | None:
    """Return the command that the arguments name, None when they name none."""
    first = next((word for word in arguments if not word.startswith("-")), None)
    return first if first in {entry.name for entry in commands} else None


def _always_a_group() -> None:
    pass
