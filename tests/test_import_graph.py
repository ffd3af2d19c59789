"""Imports point one way: tests -> experiments -> handbuilt -> circuitkit, and layer by layer inside circuitkit.

Every import statement counts, one inside a function or under TYPE_CHECKING too. The checker takes any source
tree, so the second part of this file hands it trees that break each rule.
"""

import ast
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FRONT_PAGES = sorted(str(path.relative_to(ROOT)) for path in ROOT.glob("circuitkit/**/__init__.py"))

# A place may import the places in the rows above its own, and none that shares its row. Bare names are the
# modules of circuitkit. A package is one place: files of nets/, of viz/ or of handbuilt/ may import each other.
ORDER = (
    ("errors",),
    ("checks", "compiling", "histogram", "kept", "valleys"),
    ("cropping", "streaming", "relative_angle", "relative_pose", "superposition", "factors"),
    ("receptive_field", "geometry"),
    ("shapes",),
    ("templates",),
    ("family",),
    ("spec", "pathways"),
    ("spec_text", "symmetry"),
    ("motifs", "strategies"),
    ("kernels",),
    ("network",),
    ("build", "equivariance"),
    ("reference_paths",),
    ("reference",),
    ("stimuli",),
    ("hypothesis", "probe", "responses"),
    ("nets", "store", "examples", "controls", "wiring", "visualize", "matching", "turned", "centred"),
    ("sweep", "local_geometry", "look", "signature", "weights"),
    ("survey", "tuning"),
    ("evidence",),
    ("surgery",),
    ("study", "find", "fit", "mirror_pairs", "mirrored_weights", "polysemantic", "portrait"),
    ("unioning", "verify"),
    ("by_eye", "compare", "handedness", "neurons", "reports", "universality"),
    ("viz",),
    ("__init__",),  # the public names: everything but the command line
    ("cli",),
    ("handbuilt/",),
    ("experiments/", "benchmarks/", "docs/"),
    ("tests/",),
)

# Stricter than the order: nothing else imports these.
ONLY_FOR = {
    "viz": {"cli", "experiments/", "benchmarks/", "docs/", "tests/"},
    "cli": {"experiments/", "tests/"},  # options that say how a net wants its images
}

# The oracle shares no code with what it judges: it reads the spec, and computes with NumPy alone.
REFERENCE_IMPORTS = (
    "circuitkit.errors",
    "circuitkit.reference_paths",
    "circuitkit.spec",
    "cmath",
    "collections.abc",
    "functools",
    "jaxtyping",
    "math",
    "numpy",
    "typing",
)

RANK = {place: rank for rank, row in enumerate(ORDER) for place in row}


def violations(root: Path) -> list[str]:
    """Returns one line for every import under `root` that breaks a rule, and for every module without a row."""
    files = [path for place in ("circuitkit/", *RANK) if place.endswith("/") for path in root.glob(f"{place}**/*.py")]
    found = set()
    for path in sorted(files):
        place = place_of(path.relative_to(root).with_suffix("").parts, root)
        if place not in RANK:
            found.add(
                f"circuitkit/{place} is in no row of ORDER in tests/test_import_graph.py. "
                "Add it below all that it imports and above all that import it."
            )
            continue
        for line, target in imports(path, root):
            if complaint := objection(place, target, root):
                found.add(f"{path.relative_to(root)}:{line} imports {target}: {complaint}")
    return sorted(found)


def objection(place: str, target: str, root: Path) -> str | None:
    """Returns why `place` may not import the dotted name `target`, or None if it may."""
    oracle = place in ("reference", "reference_paths")
    if oracle and not any(f"{target}.".startswith(f"{name}.") for name in REFERENCE_IMPORTS):
        return f"the oracle imports only {', '.join(REFERENCE_IMPORTS)}"
    there = place_of(target.split("."), root)
    if there not in RANK or there == place:
        return None  # the standard library, a dependency, a module whose own row is missing, or the same place
    if RANK[there] >= RANK[place]:
        return f"{there} is not above {place} in ORDER"
    if place not in ONLY_FOR.get(there, RANK):
        return f"{there} is only for {', '.join(sorted(ONLY_FOR[there])) or 'itself'}"
    return None


def place_of(dotted: tuple[str, ...] | list[str], root: Path) -> str:
    """Returns the place of a module or of a name in one; for other libraries, something that has no row."""
    package, *rest = dotted
    if package != "circuitkit":
        return f"{package}/"
    child = rest[0] if rest else "__init__"
    home = root / "circuitkit"
    # A name that is no file is one that __init__ offers: `from circuitkit import build_circuit`.
    return child if (home / f"{child}.py").exists() or (home / child).is_dir() else "__init__"


def imports(path: Path, root: Path) -> Iterator[tuple[int, str]]:
    """Yields the line and the full dotted name of everything that one file imports."""
    home = path.relative_to(root).parent.parts
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), filename=str(path))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = home[: len(home) - node.level + 1] if node.level else ()
            source = [*start, *([node.module] if node.module else [])]
            yield from ((node.lineno, ".".join([*source, alias.name])) for alias in node.names)


def test_every_import_points_one_way():
    assert violations(ROOT) == []


# The same checker must notice every kind of breach.

TREE = {
    "circuitkit/__init__.py": "from circuitkit.spec import Family\nfrom circuitkit import kernels",
    "circuitkit/errors.py": "",
    "circuitkit/geometry.py": "import numpy\nfrom circuitkit.errors import SpecError",
    "circuitkit/receptive_field.py": "import dataclasses",
    "circuitkit/spec.py": "import circuitkit.geometry as g",
    "circuitkit/kernels.py": "from circuitkit import geometry, spec",
    "circuitkit/reference.py": "import math\nimport numpy.typing\nfrom circuitkit.spec import Family",
    "circuitkit/nets/__init__.py": "from circuitkit.nets.onnx import load",
    "circuitkit/nets/onnx.py": "from . import graph\nfrom ..errors import NetError",
    "circuitkit/nets/graph.py": "",
    "circuitkit/viz/figures.py": "import circuitkit.geometry",
    "circuitkit/cli/main.py": "import circuitkit\nfrom circuitkit import kernels, viz",
    "handbuilt/curves.py": "from circuitkit import Family\nfrom handbuilt import lines",
    "handbuilt/lines.py": "",
    "experiments/tuning/__main__.py": "from handbuilt import curves\nfrom circuitkit.viz import figures",
    "tests/test_cli.py": "from circuitkit.cli import main\nimport experiments.tuning",
}


def write(root: Path, tree: dict[str, str]) -> Path:
    for name, text in tree.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root


def test_a_tree_in_order_passes(tmp_path):
    assert violations(write(tmp_path, TREE)) == []


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("circuitkit/spec.py", "import circuitkit.kernels", "kernels is not above spec"),
        ("circuitkit/spec.py", "def f():\n    from circuitkit import kernels", "kernels is not above spec"),
        ("circuitkit/spec.py", "from .kernels import draw", "kernels is not above spec"),
        ("circuitkit/spec.py", "from circuitkit import Family", "__init__ is not above spec"),
        ("circuitkit/nets/graph.py", "from .. import tuning", "__init__ is not above nets"),
        ("circuitkit/geometry.py", "import circuitkit.receptive_field", "receptive_field is not above geometry"),
        ("circuitkit/kernels.py", "from handbuilt import curves", "handbuilt/ is not above kernels"),
        ("handbuilt/lines.py", "import tests.conftest", "tests/ is not above handbuilt/"),
        ("handbuilt/lines.py", "from circuitkit.cli import main", "cli is only for experiments/, tests/"),
        ("circuitkit/__init__.py", "from circuitkit.viz import figures", "viz is only for benchmarks/, cli"),
        ("circuitkit/__init__.py", "from circuitkit.cli import main", "cli is not above __init__"),
        ("circuitkit/reference.py", "from circuitkit.geometry import turn", "the oracle imports only"),
        ("circuitkit/reference.py", "from circuitkit.kernels import draw", "the oracle imports only"),
        ("circuitkit/reference.py", "import jax.numpy as jnp", "the oracle imports only"),
        ("circuitkit/reference.py", "import circuitkit.spec_text", "the oracle imports only"),
    ],
)
def test_a_breach_is_reported_with_its_place(tmp_path, name, text, expected):
    found = violations(write(tmp_path, TREE | {name: text}))
    assert len(found) == 1
    assert re.match(rf"{re.escape(name)}:\d+ imports .*: {re.escape(expected)}", found[0])


@pytest.mark.parametrize("name", ["circuitkit/novelty.py", "circuitkit/novelty/deep.py"])
def test_a_module_without_a_row_is_reported_with_the_way_out(tmp_path, name):
    assert violations(write(tmp_path, TREE | {name: "import circuitkit.spec"})) == [
        "circuitkit/novelty is in no row of ORDER in tests/test_import_graph.py. "
        "Add it below all that it imports and above all that import it."
    ]


# What importing the library costs, and what its front page says.

IMPORT_ALONE = """
import sys
import circuitkit
print(*sorted({name.partition(".")[0] for name in sys.modules}))
import jax
jax.devices()
"""


def test_importing_the_library_stays_light():
    """No figures, no ONNX, and no device: a backend starts when something is computed, and not before."""
    start = time.perf_counter()
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", IMPORT_ALONE],
        cwd=ROOT,
        # Whoever starts a backend fails on this platform; the last line of the script does, so the trap works.
        env=os.environ | {"JAX_PLATFORMS": "no_such_platform"},
        capture_output=True,
        text=True,
        check=False,
    )
    print(f"import circuitkit, in a fresh process: {time.perf_counter() - start:.2f} s")
    loaded = set(run.stdout.split())
    assert "circuitkit" in loaded, run.stderr
    assert not loaded & {"matplotlib", "onnx", "onnxruntime", "PIL"}
    assert "Unable to initialize backend" in run.stderr


def front_page(text: str) -> tuple[set[str], list[str]]:
    """Returns the names that an __init__.py imports, and its statements that are more than a listing."""
    names, more = set(), []
    for node in ast.parse(text).body:
        match node:
            case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
                names |= {alias.asname or alias.name for alias in aliases}
            case ast.Expr(value=ast.Constant(value=str())):
                pass
            case ast.Assign(targets=[ast.Name(id="__all__")], value=ast.List() | ast.Tuple()):
                pass
            case ast.Assign(targets=[ast.Name(id="__version__")], value=ast.Constant()):
                names.add("__version__")
            case _:
                more.append(f"line {node.lineno}: {ast.unparse(node)}")
    return names, more


def listed(text: str) -> list[str]:
    """Returns what `__all__` of an __init__.py says."""
    for node in ast.parse(text).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return ast.literal_eval(node.value)
    return []


@pytest.mark.parametrize("name", FRONT_PAGES)
def test_a_front_page_lists_its_names_and_computes_nothing(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    names, more = front_page(text)
    assert more == []
    assert sorted(listed(text)) == sorted(names)


def test_a_front_page_that_computes_is_noticed():
    names, more = front_page("import jax.numpy as jnp\nfrom a import b as c\nONE = jnp.ones(1)\n")
    assert names == {"jnp", "c"}
    assert more == ["line 3: ONE = jnp.ones(1)"]
