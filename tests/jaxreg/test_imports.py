"""What importing costs, that imports go down only, and that every public name explains itself."""

import ast
import collections
import dataclasses
import inspect
import itertools
import pathlib
import re
import sys
import types
from collections.abc import Iterator

import pytest

import jaxreg
from jaxreg import convert, diagnostics, prox, testing
from jaxreg._select.rules import Where
from tests.processes import ran

ROOT = pathlib.Path(jaxreg.__file__).parents[1]

# A file imports only what stands before it. A new file goes where its imports allow; a file that
# is missing here fails the test.
LAYERS = {
    "jaxreg": (
        ("_messages.__init__", "_messages.brief", "_messages.calls", "_messages.names"),
        ("_messages.table",),
        ("_numbers._checks", "_numbers._dtypes", "_numbers._norms", "_numbers._rounding"),
        ("_numbers._in_numpy",),
        ("_numbers.__init__",),
        ("_trees._paths", "_trees._pytree", "_trees._leaves", "_trees._parameters"),
        ("_trees.__init__",),
        ("prox", "_metric_prox"),  # 0: one array
        ("_select.__init__", "_select.roles", "_select.rules", "_select.select"),  # 1: which leaves
        ("_penalty.__init__", "_penalty.unit", "_penalty.term", "_penalty.prox_sum"),  # 2
        ("_penalty.arithmetic", "_penalty.application", "_penalty.penalty", "_penalty.constraint"),
        ("_describe",),
        ("_catalogue.__init__", "_catalogue.entrywise", "_catalogue.nonconvex"),  # 3: the catalogue
        ("_catalogue.constraints", "_catalogue.groups", "_catalogue.matrices"),
        ("_objective", "diagnostics._measures", "diagnostics._optimality"),  # 4: uses
        ("diagnostics._report", "diagnostics.__init__"),
        ("_transforms.__init__", "_transforms.schedules", "_transforms.frame"),  # 5: optax
        ("_transforms.adam_metric", "_transforms.adam_trial", "_transforms.proximal_in_metric"),
        ("_transforms.penalty_gradient", "_transforms.decay", "_transforms.proximal"),
        ("convert._strengths", "convert._rates", "convert.__init__"),  # 5: other conventions
        ("testing._case", "testing._penalty_laws", "testing._transform_laws"),  # 6: tools
        ("testing.__init__",),
        ("_audit.__init__", "_audit.record", "_audit.black_box"),
        ("_audit.probes", "_audit.answers", "_audit.in_loss"),
        ("_audit.at_rest", "_audit.coupled", "_audit.beside", "_audit.scaling", "_audit.faults"),
        ("_audit.judge", "_audit.run"),
        ("_sweep.__init__", "_sweep.grid", "_sweep.side_by_side", "_sweep.width"),  # 6: sweeps
        ("_sweep.chunks", "_sweep.progress", "_sweep.run"),
        ("__init__",),  # 7: the public names
    ),
    "experiments": (
        ("__init__", "formatting", "verdicts", "provenance"),
        ("decay_form", "forms", "config"),
        ("data.dataset", "data.tfds", "data.sources", "data.__init__"),
        ("records", "command", "__main__"),
        ("models", "training", "machine", "devices", "problem", "runs", "sweeping"),
        ("curves", "page.__init__", "page.document", "page.parts"),
        (
            "statistics.__init__",
            "statistics.resample",
            "statistics.surface",
            "statistics.additivity",
        ),
        ("paired.__init__", "paired.setup", "paired.sample", "paired.trainings"),
        ("mnist.__init__", "mnist.hosts", "mnist.contrast", "mnist.__main__"),
        ("coupling.__init__", "coupling.grid"),
        ("coupling.regimes", "coupling.nature", "coupling.cost", "coupling.search"),
        ("coupling.config", "coupling.conduct", "coupling.results", "coupling.names"),
        ("coupling.findings", "coupling.comparisons", "coupling.conclusions"),
        ("coupling.content", "coupling.answer", "coupling.describe_map", "coupling.describe"),
        ("coupling.page.__init__", "coupling.page.explanations", "coupling.page.scale"),
        ("coupling.page.sections", "coupling.page.write", "coupling.heat_maps"),
        ("coupling.__main__",),
        (
            "claims.__init__",
            "claims.wording",
            "claims.claim",
            "claims.networks",
            "claims.trainings",
        ),
        ("claims.equivalence", "claims.separability", "claims.normalisation", "claims.rotation"),
        ("claims.timescales", "claims.variants", "claims.adaptive", "claims.sparsity"),
        ("claims.transfer", "claims.grokking", "claims.registry"),
        ("claims.tables", "claims.plot", "claims.page", "claims.__main__"),
        ("benchmark.__init__", "benchmark.timing", "benchmark.tables", "benchmark.limits"),
        ("benchmark.memory_traffic", "benchmark.suites.__init__", "benchmark.suites.main"),
        ("benchmark.suites.penalties", "benchmark.suites.decay", "benchmark.suites.sweep"),
        ("benchmark.__main__",),
        ("tpu_plan.__init__", "tpu_plan.chips", "tpu_plan.hlo", "tpu_plan.counting"),
        ("tpu_plan.compiled", "tpu_plan.__main__"),
    ),
}
CORE = list(
    itertools.takewhile(
        lambda name: name != "_transforms.__init__", itertools.chain.from_iterable(LAYERS["jaxreg"])
    )
)


def files(package: str) -> dict[str, pathlib.Path]:
    """The modules of a package by name, without its own: "_tree", "suites.main"."""
    folder = ROOT / package
    found = [path for path in folder.rglob("*.py") if "peers" not in path.parts]
    return {".".join(path.relative_to(folder).with_suffix("").parts): path for path in found}


def imported(path: pathlib.Path) -> Iterator[str]:
    """Full names of the modules that a file imports at run time, anywhere in it."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    typing_only = {
        id(node)
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and "TYPE_CHECKING" in ast.unparse(block.test)
        for node in ast.walk(block)
    }
    for node in ast.walk(tree):
        if id(node) in typing_only:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.module, f"{path}: write absolute imports"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def module_in(package: str, name: str, known: dict[str, pathlib.Path]) -> str | None:
    """Which file of ``package`` a full name means, or None if it lies outside."""
    top, _, rest = name.partition(".")
    if top != package:
        return None
    parent = rest.rpartition(".")[0]
    candidates = (rest, f"{rest}.__init__", parent, f"{parent}.__init__")
    return next((c for c in candidates if c in known), "__init__")


@pytest.mark.parametrize("package", LAYERS)
def test_every_file_has_its_place_and_imports_from_below_only(package):
    order = list(itertools.chain.from_iterable(LAYERS[package]))
    assert len(set(order)) == len(order)
    known = files(package)
    assert set(known) <= set(order), "new files: add them to LAYERS, after what they import"
    for name, path in known.items():
        used = {module_in(package, full, known) for full in imported(path)} - {None, name}
        above = [other for other in used if order.index(other) >= order.index(name)]
        assert not above, f"{package}/{name} imports {above}, which stand above it"


def outside(name: str) -> set[str]:
    """The third-party packages that a file of jaxreg imports."""
    tops = {full.partition(".")[0] for full in imported(files("jaxreg")[name])}
    return tops - set(sys.stdlib_module_names) - {"jaxreg"}


@pytest.mark.parametrize("name", sorted(set(CORE) & set(files("jaxreg"))))
def test_the_core_imports_jax_alone(name):
    allowed = {"jax", "numpy"} | ({"optax"} if name == "prox" else set())  # for optax.projections
    assert outside(name) <= allowed


def test_everything_else_imports_jax_and_optax_alone():
    rest = set(files("jaxreg")) - set(CORE)
    assert set().union(*map(outside, rest)) <= {"jax", "numpy", "optax"}
    assert "optax" not in outside("testing.__init__")


def test_the_curves_import_no_jax():
    assert not {"jax", "jaxreg", "flax", "optax"} & {
        full.partition(".")[0] for full in imported(files("experiments")["curves"])
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
    loaded = loaded_by("import jaxreg, jaxreg.testing")
    assert {"jax", "optax", "numpy"} <= loaded
    assert not loaded & HEAVY


# --- public names ---

NAMESPACES = (jaxreg, prox, convert, diagnostics, testing)


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
