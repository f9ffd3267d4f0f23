"""`regulars evaluate …`: offline evaluations of exactly the code that serves."""

import typer

from regulars.cli.evaluate_churn import evaluate_churn
from regulars.cli.evaluate_identity import evaluate_identity
from regulars.cli.evaluate_recommend import evaluate_recommend

evaluate = typer.Typer(no_args_is_help=True)
evaluate.command("recommend")(evaluate_recommend)
evaluate.command("churn")(evaluate_churn)
evaluate.command("identity")(evaluate_identity)
