"""The house rules that no linter knows, each a function over one module's syntax tree."""

import ast
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import TypeVar

Node = TypeVar("Node", bound=ast.AST)
ROOT = Path(__file__).parents[1]
RUNTIME = ("services/*", "shared/*", "regulars/*")
EVERYWHERE = ("*",)
LEFT_OUT = (".venv/*", "tests/architecture/bad_samples/*")
VAGUE_NAMES = frozenset({"utils", "util", "helpers", "helper", "common", "manager", "misc"})
CLOCK_READS = frozenset(
    {"datetime.now", "datetime.utcnow", "datetime.today", "date.today", "time.time", "time.time_ns"}
)
CATCH_ALL = frozenset({"Exception", "BaseException"})
SQL = re.compile(r"\s*(SELECT|INSERT INTO|UPDATE|DELETE FROM|WITH|COPY|LOCK TABLE|TRUNCATE|MERGE INTO)\b")
SQL_PART = re.compile(r"(^|_)(table|tables|schema|columns?|sql|clause|placeholders?)$|^_?[A-Z][A-Z0-9_]*$")
# What is left of a comment when linter codes are taken out must still say something.
LINTER_CODES = re.compile(r"(noqa|type: ignore)(:\s*[A-Z]+\d+(,\s*[A-Z]+\d+)*|\[[\w, -]+\])?")
SHORTEST_REASON = 8


@dataclass(frozen=True)
class Module:
    """One parsed file: its path from the root, with forward slashes, its lines and its tree."""

    path: str
    lines: Sequence[str]
    tree: ast.Module

    @classmethod
    def parse(cls, path: str, source: str) -> "Module":
        return cls(path, source.splitlines(), ast.parse(source, path))

    def lies_in(self, patterns: Sequence[str]) -> bool:
        return any(fnmatch(self.path, pattern) for pattern in patterns)

    def nodes(self, kind: type[Node]) -> Iterator[Node]:
        return (node for node in ast.walk(self.tree) if isinstance(node, kind))


@dataclass(frozen=True)
class Rule:
    """A named rule: where it holds, where it does not, and the lines that break it."""

    name: str
    message: str
    holds_in: Sequence[str]
    not_in: Sequence[str]
    broken_lines: Callable[[Module], Iterator[int]]

    def check(self, module: Module) -> Iterator["Finding"]:
        if module.lies_in(self.holds_in) and not module.lies_in(self.not_in):
            for line in sorted(set(self.broken_lines(module))):
                yield Finding(module.path, line, self)


@dataclass(frozen=True)
class Finding:
    path: str
    line: int
    rule: Rule

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.rule.name}: {self.rule.message}"


def dotted(node: ast.expr) -> str:
    """Return `a.b.c` for a chain of names and attributes, else an empty string."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and (owner := dotted(node.value)):
        return f"{owner}.{node.attr}"
    return ""


def clock_reads(module: Module) -> Iterator[int]:
    for call in module.nodes(ast.Call):
        if ".".join(dotted(call.func).split(".")[-2:]) in CLOCK_READS:
            yield call.lineno
    for statement in module.nodes(ast.ImportFrom):
        if statement.module == "time" and any(name.name in {"time", "time_ns"} for name in statement.names):
            yield statement.lineno


def commits(module: Module) -> Iterator[int]:
    for call in module.nodes(ast.Call):
        if isinstance(call.func, ast.Attribute) and call.func.attr == "commit":
            yield call.lineno


def environment_reads(module: Module) -> Iterator[int]:
    for attribute in module.nodes(ast.Attribute):
        if dotted(attribute) in {"os.environ", "os.environb", "os.getenv", "os.putenv"}:
            yield attribute.lineno
    for statement in module.nodes(ast.ImportFrom):
        if statement.module == "os" and any(name.name in {"environ", "getenv"} for name in statement.names):
            yield statement.lineno


def swallowed_exceptions(module: Module) -> Iterator[int]:
    for handler in module.nodes(ast.ExceptHandler):
        if handler.type is None or (catches_all(handler.type) and does_nothing(handler.body)):
            yield handler.lineno
    for call in module.nodes(ast.Call):
        if dotted(call.func) in {"suppress", "contextlib.suppress"} and any(map(catches_all, call.args)):
            yield call.lineno


def catches_all(caught: ast.expr) -> bool:
    kinds = caught.elts if isinstance(caught, ast.Tuple) else [caught]
    return any(dotted(kind).rpartition(".")[2] in CATCH_ALL for kind in kinds)


def does_nothing(body: Sequence[ast.stmt]) -> bool:
    def is_empty(statement: ast.stmt) -> bool:
        says_nothing = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
        return says_nothing or isinstance(statement, ast.Pass | ast.Continue)

    return all(map(is_empty, body))


def float_money(module: Module) -> Iterator[int]:
    for name, annotation in annotations(module):
        if name.endswith("_minor") and annotation is not None and mentions_float(annotation):
            yield annotation.lineno


def annotations(module: Module) -> Iterator[tuple[str, ast.expr | None]]:
    for assignment in module.nodes(ast.AnnAssign):
        yield dotted(assignment.target).rpartition(".")[2], assignment.annotation
    for argument in module.nodes(ast.arg):
        yield argument.arg, argument.annotation
    for function in functions(module):
        yield function.name, function.returns


def functions(module: Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    yield from module.nodes(ast.FunctionDef)
    yield from module.nodes(ast.AsyncFunctionDef)


def mentions_float(annotation: ast.expr) -> bool:
    if isinstance(annotation, ast.Constant):
        return "float" in str(annotation.value)
    return any(isinstance(node, ast.Name) and node.id == "float" for node in ast.walk(annotation))


def hidden_imports(module: Module) -> Iterator[int]:
    for function in functions(module):
        for node in ast.walk(function):
            if isinstance(node, ast.Import | ast.ImportFrom) and not has_reason(module, node.lineno):
                yield node.lineno


def has_reason(module: Module, line: int) -> bool:
    """Tell whether the line, or a comment line right above it, says why in words."""
    here, above = module.lines[line - 1], module.lines[line - 2].strip()
    comments = [here.partition("#")[2]] + ([above] if above.startswith("#") else [])
    return any(len(LINTER_CODES.sub("", comment).strip(" #-:")) >= SHORTEST_REASON for comment in comments)


def vague_names(module: Module) -> Iterator[int]:
    if VAGUE_NAMES & set(Path(module.path).with_suffix("").parts):
        yield 1


def prints(module: Module) -> Iterator[int]:
    for call in module.nodes(ast.Call):
        if dotted(call.func) == "print":
            yield call.lineno


def composed_sql(module: Module) -> Iterator[int]:
    for text in module.nodes(ast.JoinedStr):
        start = text.values[0] if text.values else None
        if isinstance(start, ast.Constant) and SQL.match(str(start.value)):
            yield from (part.lineno for part in text.values if is_foreign_part(part))


def is_foreign_part(part: ast.expr) -> bool:
    if not isinstance(part, ast.FormattedValue):
        return False
    inner = part.value.func if isinstance(part.value, ast.Call) else part.value
    return not SQL_PART.search(dotted(inner).rpartition(".")[2])


RULES: Sequence[Rule] = (
    Rule(
        "clock",
        "the time comes from a shared.clock.Clock (monotonic and perf_counter are free)",
        RUNTIME,
        ("shared/clock.py",),
        clock_reads,
    ),
    Rule(
        "commit",
        "transactions end in shared/db.py alone (migrations are Alembic's; Kafka offsets are another thing)",
        RUNTIME,
        ("shared/db.py", "shared/migrations.py", "shared/kafka/*"),
        commits,
    ),
    Rule(
        "environment",
        "the environment is read in settings and handed on",
        RUNTIME,
        ("shared/settings.py", "services/*/settings.py", "regulars/*"),
        environment_reads,
    ),
    Rule(
        "swallowed",
        "name the exception, and say or do something about it",
        EVERYWHERE,
        (),
        swallowed_exceptions,
    ),
    Rule("float-money", "money is an integer of minor units", EVERYWHERE, (), float_money),
    Rule(
        "hidden-import",
        "imports stand at the top; where one cannot, a comment beside it says why",
        RUNTIME,
        (),
        hidden_imports,
    ),
    Rule("vague-name", "a module is named after what it owns", EVERYWHERE, (), vague_names),
    Rule("print", "processes log; only the command line prints", ("services/*", "shared/*"), (), prints),
    Rule(
        "composed-sql",
        "SQL text is composed of tables, columns and constants only; values are parameters",
        ("services/*", "shared/*"),
        (),
        composed_sql,
    ),
)


# Found while parsing: a file that the oldest supported Python cannot read hides from every other rule.
SYNTAX = Rule("syntax", "this Python cannot read the file", EVERYWHERE, (), lambda _: iter(()))


def check_source(path: str, source: str) -> list[Finding]:
    """Return the findings in one module, as if it lay at `path` (relative to the root)."""
    try:
        module = Module.parse(path, source)
    except SyntaxError as error:
        return [Finding(path, error.lineno or 1, SYNTAX)]
    return [finding for rule in RULES for finding in rule.check(module)]


def check_tree(root: Path) -> list[Finding]:
    """Return the findings in every Python file below `root`."""
    findings = []
    for file in sorted(root.rglob("*.py")):
        path = file.relative_to(root).as_posix()
        if not any(fnmatch(path, pattern) for pattern in LEFT_OUT):
            findings += check_source(path, file.read_text(encoding="utf-8"))
    return findings


def main() -> int:
    findings = check_tree(ROOT)
    for finding in findings:
        print(finding)
    print(f"house rules: {len(RULES)} rules, {len(findings)} findings")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
