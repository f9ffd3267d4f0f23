"""Import contracts that also hold for what is not there yet: an unused library, a service without a role.

import-linter refuses a module that is missing from the graph. A library that is locked but not imported today must be
guarded all the same. That every module of our own which a contract names exists is a test's business.
"""

from typing import Any

import grimp
from importlinter import ContractCheck
from importlinter.contracts.forbidden import ForbiddenContract
from importlinter.contracts.protected import ProtectedContract
from importlinter.domain.imports import ModuleExpression


class BarrierContract(ForbiddenContract):
    """Sources must not import what is forbidden, directly or through others."""

    type_name = "barrier"

    def check(self, graph: grimp.ImportGraph, verbose: bool) -> ContractCheck:  # noqa: FBT001 - inherited
        keep_present(self, graph, "source_modules", "forbidden_modules")
        return super().check(graph, verbose)


class DoorContract(ProtectedContract):
    """A third party is imported through its door only."""

    type_name = "door"

    def check(self, graph: grimp.ImportGraph, verbose: bool) -> ContractCheck:  # noqa: FBT001 - inherited
        keep_present(self, graph, "protected_modules", "allowed_importers")
        return super().check(graph, verbose)


def keep_present(contract: ForbiddenContract | ProtectedContract, graph: grimp.ImportGraph, *options: str) -> None:
    """Reduce a contract's options to what is in the graph; a wildcard always may match nothing."""
    for option in options:
        # import-linter replaces the declared fields by their parsed values when it reads the options.
        expressions: Any = getattr(contract, option)
        setattr(contract, option, type(expressions)(each for each in expressions if is_present(graph, each)))


def is_present(graph: grimp.ImportGraph, expression: ModuleExpression) -> bool:
    return expression.has_wildcard_expression() or str(expression) in graph.modules
