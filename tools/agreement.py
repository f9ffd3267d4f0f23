"""Checks that settings, compose file, lock files, documents and make targets say what the code says."""

import ast
import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import packages_distributions
from pathlib import Path

from regulars.cli.table import COMMANDS
from shared.events import topics_consumed_by
from tools import compose_check
from tools.service_settings import ROOT, SERVICES, env_example, services_there, settings_classes

ENV_EXAMPLE = ROOT / ".env.example"
ADR = ROOT / "docs" / "adr"
# What every service folder holds; a role that a service lacks is named in its README: "No `clients.py`: ...".
SHAPE = (
    *("__init__.py", "__main__.py", "app.py", "settings.py", "api.py", "schemas.py", "consumer.py"),
    *("handlers.py", "domain.py", "store.py", "tables.py", "errors.py", "metrics.py", "clients.py"),
    "migrations",
)
README_PARTS = ("owns", "topics", "settings", "failure")
OWN = {"services", "shared"}
# In running text between backticks; in code blocks at the start of a line, where a sentence would go on.
MAKE_CALL = re.compile(r"(?:`|\$ |^ {4}|^(?=make [a-z-]+ *(?:$|#|ARGS)))make ([a-z][a-z-]*)", re.MULTILINE)
COMMAND_CALL = re.compile(r"(?:`|\$ |bin/|^)regulars ([a-z]+)\b", re.MULTILINE)
INDEXED = ("README.md", "CONTRIBUTING.md", "docs", "services", "deploy")


def stale_env_example() -> Iterator[str]:
    """.env.example lists every setting of every service."""
    there = ENV_EXAMPLE.read_text(encoding="utf-8") if ENV_EXAMPLE.exists() else ""
    if there != env_example(settings_classes()):
        yield ".env.example is not what the settings classes say; run `make settings`"


def undescribed_settings() -> Iterator[str]:
    """Every setting says what it is, its unit included."""
    for service, settings in settings_classes().items():
        for name, field in settings.model_fields.items():
            if not field.description:
                yield f"services/{service}/settings.py: {name} has no description"


def compose_faults() -> Iterator[str]:
    """docker-compose.yml is well-formed, safe and knows every role and setting."""
    yield from compose_check.faults(compose_check.load(), settings_classes())
    text = compose_check.FILE.read_text(encoding="utf-8")
    head = env_example({})
    for variable in compose_check.interpolated(text):
        if f"{variable}=" not in head:
            yield f"docker-compose.yml takes {variable} from the environment; .env.example does not say so"


def unreachable_logs() -> Iterator[str]:
    """In docker-compose.yml every reader of a topic knows the address of its owner, to fill gaps."""
    services = compose_check.load()["services"]
    for service in SERVICES:
        owners = {topic.owner for topic in topics_consumed_by(service)} - {service}
        peers = json.loads(services[f"{service}-worker"]["environment"].get(f"{service.upper()}_PEERS", "{}"))
        for owner in sorted(owners - set(peers)):
            yield f"docker-compose.yml: {service} reads topics of {owner} and has no address of it"


def kafka_versions() -> Iterator[str]:
    """Run in tests the broker that is deployed."""
    pom = ROOT / "deploy" / "kafka" / "pom.xml"
    image = compose_check.load()["services"]["kafka"]["image"].rpartition(":")[2]
    if pom.exists() and f">{image}<" not in pom.read_text(encoding="utf-8"):
        yield f"docker-compose.yml runs Kafka {image}, deploy/kafka/pom.xml another version"


def undocumented_dependencies() -> Iterator[str]:
    """docs/dependencies.md has one line per direct dependency, and none for what is gone."""
    page = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
    documented = set(re.findall(r"^\| `([^`]+)` \|", page, re.MULTILINE))
    direct = set(direct_dependencies(ROOT / "requirements"))
    yield from (f"docs/dependencies.md has no line for {name}" for name in sorted(direct - documented))
    yield from (f"docs/dependencies.md still tells of {name}" for name in sorted(documented - direct))


def direct_dependencies(folder: Path) -> Iterator[str]:
    for file in sorted(folder.glob("*.in")):
        for line in file.read_text(encoding="utf-8").splitlines():
            if found := re.match(r"[A-Za-z0-9][A-Za-z0-9._-]*", line):
                yield found[0].lower()


def unhashed_locks() -> Iterator[str]:
    """Every lock file pins by hash and holds no address."""
    for file in sorted((ROOT / "requirements").glob("*.in")):
        if file.stem == "build":  # A part of local.in, never installed alone.
            continue
        lock = file.with_suffix(".txt")
        text = lock.read_text(encoding="utf-8") if lock.exists() else ""
        if "--hash=sha256:" not in text or "://" in text:
            yield f"requirements/{lock.name} must pin by hash, without addresses; run `make lock`"


def unlocked_imports() -> Iterator[str]:
    """Import only what the lock file of the service's image installs."""
    providers = packages_distributions()
    for service in services_there():
        group = compose_check.load()["services"][f"{service}-api"]["build"]["args"]["REQUIREMENTS"]
        locked = locked_packages(ROOT / "requirements" / f"{group}.txt")
        used = {*imported_names(ROOT / "shared"), *imported_names(ROOT / "services" / service)}
        for name in sorted(used - set(sys.stdlib_module_names) - OWN):
            if not locked & {normal(provider) for provider in providers.get(name, [])}:
                yield f"{service} imports {name}, which requirements/{group}.txt does not install"


def imported_names(folder: Path) -> Iterator[str]:
    for file in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module:
                yield node.module.partition(".")[0]
            elif isinstance(node, ast.Import):
                yield from (name.name.partition(".")[0] for name in node.names)


def locked_packages(lock: Path) -> set[str]:
    return {normal(name) for name in re.findall(r"^([\w.-]+)==", lock.read_text(encoding="utf-8"), re.MULTILINE)}


def normal(name: str) -> str:
    return name.lower().replace("_", "-")


def silent_metrics() -> Iterator[str]:
    """Every metric that a service declares is measured somewhere."""
    for service in services_there():
        folder = ROOT / "services" / service
        declared = folder / "metrics.py"
        if not declared.exists():
            continue
        used = {
            node.attr if isinstance(node, ast.Attribute) else node.id
            for file in folder.rglob("*.py")
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
            if isinstance(node, ast.Attribute) or (isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load))
        }
        for name in re.findall(r"^([A-Z_]+) = ", declared.read_text(encoding="utf-8"), re.MULTILINE):
            if name not in used:
                yield f"{service}: {name} is declared in metrics.py and never measured; measure it or take it out"


def unknown_targets() -> Iterator[str]:
    """Every `make TARGET` in a document exists."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^\.PHONY: (\S+)$", makefile, re.MULTILINE))
    for page in documents():
        used = MAKE_CALL.findall(page.read_text(encoding="utf-8"))
        yield from (f"{name_of(page)}: make {target} does not exist" for target in sorted({*used} - targets))


def unknown_commands() -> Iterator[str]:
    """Every `regulars COMMAND` in a document exists."""
    commands = {entry.name for entry in COMMANDS}
    for page in documents():
        used = COMMAND_CALL.findall(page.read_text(encoding="utf-8"))
        yield from (f"{name_of(page)}: regulars {name} does not exist" for name in sorted({*used} - commands))


def incomplete_services() -> Iterator[str]:
    """Every service has the one shape, or its README names the role it lacks."""
    for service in services_there():
        folder = ROOT / "services" / service
        readme = folder / "README.md"
        text = readme.read_text(encoding="utf-8").lower() if readme.exists() else ""
        if not text:
            yield f"services/{service} has no README.md"
            continue
        missing = (part for part in README_PARTS if part not in text)
        yield from (f"services/{service}/README.md says nothing of: {part}" for part in missing)
        for name in SHAPE:
            as_package = folder / Path(name).stem / "__init__.py"
            if not (folder / name).exists() and not as_package.exists() and f"no `{name}`" not in text:
                yield f"services/{service}: {name} is missing and its README does not say why (No `{name}`: …)"


def invisible_packages() -> Iterator[str]:
    """Every folder with modules is a package: import contracts do not see into others."""
    for top in ("services", "shared", "regulars", "tools"):
        for folder in sorted({file.parent for file in (ROOT / top).rglob("*.py")}):
            # Alembic runs migrations as files.
            if "migrations" not in folder.parts and not (folder / "__init__.py").exists():
                yield f"{name_of(folder)} has no __init__.py"


def adr_index() -> Iterator[str]:
    """docs/adr/README.md lists every decision under its title; numbers run without a gap."""
    index = (ADR / "README.md").read_text(encoding="utf-8")
    decisions = sorted(ADR.glob("[0-9][0-9][0-9][0-9]-*.md"))
    for number, decision in enumerate(decisions, 1):
        text = decision.read_text(encoding="utf-8")
        title = text.splitlines()[0].removeprefix("# ")
        if not decision.name.startswith(f"{number:04d}-"):
            yield f"docs/adr/{decision.name}: the next number is {number:04d}"
        if f"[{title}]({decision.name})" not in index:
            yield f"docs/adr/README.md does not list [{title}]({decision.name})"
        if not re.search(r"^Status: (proposed|accepted|replaced by \d{4})", text, re.MULTILINE):
            yield f"docs/adr/{decision.name} has no status"


def dead_links() -> Iterator[str]:
    """Every relative link in a document leads somewhere."""
    for page in documents():
        for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
            path = target.partition("#")[0]
            if path and "://" not in path and not path.startswith("mailto:") and not (page.parent / path).exists():
                yield f"{name_of(page)}: the link to {target} leads nowhere"


def documents() -> list[Path]:
    pages = [ROOT / name for name in INDEXED if name.endswith(".md") and (ROOT / name).exists()]
    folders = (ROOT / name for name in INDEXED if not name.endswith(".md"))
    return pages + sorted(page for folder in folders for page in folder.rglob("*.md"))


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


CHECKS: Mapping[str, Callable[[], Iterator[str]]] = {
    check.__name__: check
    for check in (
        stale_env_example,
        undescribed_settings,
        compose_faults,
        unreachable_logs,
        kafka_versions,
        undocumented_dependencies,
        unhashed_locks,
        unlocked_imports,
        silent_metrics,
        unknown_targets,
        unknown_commands,
        incomplete_services,
        invisible_packages,
        adr_index,
        dead_links,
    )
}


def main() -> int:
    if "--write" in sys.argv[1:]:
        ENV_EXAMPLE.write_text(env_example(settings_classes()), encoding="utf-8")
        print("written: .env.example")
        return 0
    faults = [fault for check in CHECKS.values() for fault in check()]
    for fault in faults:
        print(fault)
    if absent := sorted(set(SERVICES) - set(services_there())):
        print(f"not checked, for lack of settings.py: {', '.join(absent)}")
    print(f"agreement: {len(CHECKS)} checks, {len(faults)} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
