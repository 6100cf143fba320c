"""What importing costs, that imports go down only, and that every public name explains itself."""

from __future__ import annotations

import ast
import collections
import dataclasses
import graphlib
import inspect
import pathlib
import re
import sys
import types
from collections.abc import Collection, Iterator

import pytest

import jaxreg
from jaxreg import convert, diagnostics, prox, testing, tune
from jaxreg._select.rules import Where
from tests.processes import ran

ROOT = pathlib.Path(jaxreg.__file__).parents[1]

# The rooms of each package, from the ground up: files and folders at its root. A file imports only
# from its own room and those before it; a new room goes where its imports allow.
ROOMS = {
    "jaxreg": (
        *("_messages", "_numbers", "_trees"),  # numbers, arrays and trees; what errors are made of
        *("prox", "_metric_prox"),  # 0: the prox of one array
        "_select",  # 1: which leaves
        *("_penalty", "_describe"),  # 2: unit, term, penalty
        "_catalogue",  # 3: the penalties
        *("_objective", "diagnostics"),  # 4: the loss in parts, and what is measured
        *("_transforms", "convert", "_solve"),  # 5: optax, other conventions, solutions
        *("testing", "_audit", "_sweep", "tune"),  # 6: tools
        "__init__",  # 7: the public names
    ),
    "experiments": (
        *(
            "__init__",
            "formatting",
            "verdicts",
            "provenance",
            "progress",
            "errors",
            "interrupts",
            "ownership",
        ),
        *("decay_form", "forms", "models"),
        *("config", "options", "data", "records", "command", "study", "__main__"),
        *(
            "checkpoints",
            "optimizers",
            "training",
            "machine",
            "devices",
            "problem",
            "runs",
            "sweeping",
        ),
        *("axes", "curves", "page", "statistics", "paired"),
        *(
            "mnist",
            "coupling",
            "claims",
            "path",
            "combinations",
            "language",
            "tune",
            "benchmark",
            "tpu_plan",
            "frameworks",
        ),  # the commands
    ),
}
CORE = ROOMS["jaxreg"][: ROOMS["jaxreg"].index("_transforms")]  # layers 0 to 4


def files(package: str) -> dict[str, pathlib.Path]:
    """The modules of a package by full name; the peers of the benchmark are programs of others."""
    found = [path for path in (ROOT / package).rglob("*.py") if "peers" not in path.parts]
    return {".".join(path.relative_to(ROOT).with_suffix("").parts): path for path in found}


def imported(path: pathlib.Path) -> Iterator[str]:
    """Full names of what a file imports, anywhere in it and for its types too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.module, f"{path}: write absolute imports"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def room(module: str) -> str:
    return module.split(".")[1]


def module_of(name: str, known: Collection[str]) -> str:
    """The module that a full name is, or is in."""
    if name in known:
        return name
    face = f"{name}.__init__"
    return face if face in known else module_of(name.rpartition(".")[0], known)


def graph(package: str) -> dict[str, set[str]]:
    """For every module of a package those of the same package that it imports."""
    known = files(package)
    return {
        module: {module_of(name, known) for name in ours(path, package)} - {module}
        for module, path in known.items()
    }


def ours(path: pathlib.Path, package: str) -> list[str]:
    return [name for name in imported(path) if name.partition(".")[0] == package]


@pytest.mark.parametrize("package", ROOMS)
def test_imports_go_down_only(package):
    rooms, used = ROOMS[package], graph(package)
    assert {room(module) for module in used} <= set(rooms), "new rooms: add them to ROOMS"
    for module, others in used.items():
        above = [o for o in others if rooms.index(room(o)) > rooms.index(room(module))]
        assert not above, f"{module} imports {above}, which stand above it"


@pytest.mark.parametrize("package", ROOMS)
def test_there_is_no_circle_of_imports_not_even_for_types(package):
    order = graphlib.TopologicalSorter(graph(package))
    assert set(order.static_order()) == set(files(package))


def test_no_command_imports_another():
    used = graph("experiments")
    commands = {room(module) for module in used if module.endswith(".__main__")} - {"__main__"}
    assert len(commands) >= 5
    for module, others in used.items():
        foreign = {room(other) for other in others} & commands - {room(module)}
        assert not foreign, f"{module} imports from {foreign}: what several share stands beside"


@pytest.mark.parametrize("package", ROOMS)
def test_what_begins_with_an_underscore_is_for_the_folder_that_holds_it(package):
    for module, path in files(package).items():
        for name in imported(path):
            segments = name.split(".")
            private = next((i for i, s in enumerate(segments) if re.match("_(?!_)", s)), 0)
            holder = ".".join(segments[:private])
            is_foreign = holder.split(".")[0] in ROOMS and not module.startswith(f"{holder}.")
            assert not is_foreign, f"{module} imports {name}, which is private to {holder}"


@pytest.mark.parametrize("package", [*ROOMS, "tests"])
def test_annotations_are_never_evaluated(package):
    """One style of annotations: ``from __future__ import annotations`` where there are any."""
    for module, path in files(package).items():
        tree = ast.parse(path.read_text(encoding="utf-8"))
        defines = any(isinstance(node, ast.FunctionDef | ast.ClassDef) for node in tree.body)
        futures = [n for n in tree.body if isinstance(n, ast.ImportFrom) and n.module]
        names = [node.module for node in futures]
        assert "__future__" in names or not defines, f"{module}: from __future__ import annotations"


def outside(name: str) -> set[str]:
    """The third-party packages that a file of jaxreg imports."""
    tops = {full.partition(".")[0] for full in imported(files("jaxreg")[name])}
    return tops - set(sys.stdlib_module_names) - {"jaxreg"}


def in_rooms(rooms: Collection[str]) -> list[str]:
    return [module for module in files("jaxreg") if room(module) in rooms]


@pytest.mark.parametrize("core", CORE)
def test_the_core_imports_jax_alone(core):
    allowed = {"jax", "numpy"} | ({"optax"} if core == "prox" else set())  # for optax.projections
    assert set().union(*map(outside, in_rooms([core]))) <= allowed


def test_everything_else_imports_jax_and_optax_alone():
    rest = set(ROOMS["jaxreg"]) - set(CORE) - {"tune"}
    assert set().union(*map(outside, in_rooms(rest))) <= {"jax", "numpy", "optax"}
    assert "optax" not in outside("jaxreg.testing.__init__")
    extra = {"jax", "numpy", "optax", "optuna", "scipy", "matplotlib"}  # these where used
    assert set().union(*map(outside, in_rooms({"tune"}))) <= extra


def test_the_curves_import_no_jax():
    assert not {"jax", "jaxreg", "flax", "optax"} & {
        full.partition(".")[0] for full in imported(files("experiments")["experiments.curves"])
    }


def loaded_by(statement: str) -> set[str]:
    """The top-level packages in ``sys.modules`` of a fresh process."""
    code = f"import sys; {statement}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    return set(ran([sys.executable, "-W", "error", "-c", code]).stdout.split())


HEAVY = {
    *("chex", "equinox", "flax", "haiku", "hypothesis", "matplotlib", "numpyro", "optuna", "orbax"),
    *("pandas", "plotly", "pytest", "rich", "sklearn", "tensorflow", "torch", "tyro"),
}


def test_importing_jaxreg_and_its_testing_loads_jax_and_optax_and_nothing_heavier():
    loaded = loaded_by("import jaxreg, jaxreg.testing, jaxreg.tune")
    assert {"jax", "optax", "numpy"} <= loaded
    assert not loaded & HEAVY


# --- public names ---

NAMESPACES = (jaxreg, prox, convert, diagnostics, testing, tune)


def public(namespace: types.ModuleType) -> dict[str, object]:
    """The names that a namespace offers: those that it defines, or imports as themselves."""
    tree = ast.parse(inspect.getsource(namespace))
    imports = (node for node in tree.body if isinstance(node, ast.ImportFrom))
    names = [a.name for node in imports for a in node.names if a.asname == a.name]
    names += [node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)]
    return {name: getattr(namespace, name) for name in names if not name.startswith("_")}


def is_record(thing: object) -> bool:
    """Whether it is a module, a rule, an error or the class of a result: shown where it is made."""
    if isinstance(thing, type):
        return issubclass(thing, tuple | Exception) or dataclasses.is_dataclass(thing)
    return isinstance(thing, types.ModuleType | Where)


def explains_itself(thing: object) -> bool:
    docstring = inspect.getdoc(thing) or ""
    return bool(docstring) and (is_record(thing) or ">>> " in docstring)


@pytest.mark.parametrize("namespace", NAMESPACES, ids=lambda module: module.__name__)
def test_every_public_name_has_a_docstring_with_an_example(namespace):
    names = public(namespace)
    assert names
    assert [name for name, thing in names.items() if not explains_itself(thing)] == []


def test_each_public_name_is_registered_once():
    for namespace in NAMESPACES:
        tree = ast.parse(inspect.getsource(namespace))
        imports = (node for node in tree.body if isinstance(node, ast.ImportFrom))
        names = [alias.asname for node in imports for alias in node.names if alias.asname]
        assert [name for name, n in collections.Counter(names).items() if n > 1] == []
    things = [thing for space in NAMESPACES for thing in public(space).values()]
    assert len({id(thing) for thing in things}) == len(things)


def test_init_imports_every_name_as_itself():
    for node in ast.parse(inspect.getsource(jaxreg)).body:
        for alias in node.names if isinstance(node, ast.ImportFrom) else ():
            assert (alias.asname or "").removeprefix("_") == alias.name


def test_the_map_of_the_house_names_every_public_name():
    named = set(re.findall(r"`(?:jaxreg\.)?(\w+)", jaxreg.__doc__ or ""))
    assert set(public(jaxreg)) - named == set()
