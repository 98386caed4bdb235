"""Nothing in the package reads a file in a way that could run code, or runs text as a command.

The package's own source is looked through, call by call; what is not plain text cannot hide in a
comment or a string.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "ovbench"
SCRIPTS = Path(__file__).parents[1] / "scripts"


def dotted(node: ast.expr) -> str:
    """``torch.load`` for the call ``torch.load(...)``; the last part alone after anything else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return ""


def option(call: ast.Call, name: str) -> object:
    """A keyword's constant value; the node itself where it is no constant; None without."""
    for keyword in call.keywords:
        if keyword.arg == name:
            value = keyword.value
            return value.value if isinstance(value, ast.Constant) else value
    return None


def spread(call: ast.Call) -> bool:
    return any(keyword.arg is None for keyword in call.keywords)


def ends(*names: str) -> Callable[[ast.Call], bool]:
    """Whether the call is of a function of one of these names, however it is reached."""

    def found(call: ast.Call) -> bool:
        name = dotted(call.func)
        return any(name == one or name.endswith(f".{one}") for one in names)

    return found


FROM_PRETRAINED = ends("from_pretrained")
WEIGHTLESS = ("Tokenizer", "FeatureExtractor", "Processor", "Config", "config_class", "loader")
"""Of these, ``from_pretrained`` reads no weights."""


def takes_safetensors(call: ast.Call) -> bool:
    owner = dotted(call.func).removesuffix(".from_pretrained")
    return owner.endswith(WEIGHTLESS) or option(call, "use_safetensors") is True


RULES: dict[str, Callable[[ast.Call], bool]] = {
    "the stock unpickler": ends(
        *("pickle.load", "pickle.loads", "pickle.Unpickler", "cPickle.load", "dill.load"),
        *("joblib.load", "cloudpickle.load", "cloudpickle.loads", "shelve.open", "marshal.loads"),
        *("pd.read_pickle", "pandas.read_pickle", "read_pickle"),
    ),
    "torch.load without weights_only=True": lambda call: (
        ends("torch.load")(call) and option(call, "weights_only") is not True
    ),
    "PyTorch's other loaders of programs": ends(
        "torch.jit.load", "torch.hub.load", "torch.package"
    ),
    "allow_pickle other than False": lambda call: option(call, "allow_pickle") not in (None, False),
    "np.load, which is told pickles by a file": lambda call: (
        dotted(call.func) in ("np.load", "numpy.load") and option(call, "allow_pickle") is not False
    ),
    "eval and exec": lambda call: (
        dotted(call.func) in ("eval", "exec", "builtins.eval", "builtins.exec", "compile")
    ),
    "yaml.load": ends("yaml.load", "yaml.unsafe_load", "yaml.full_load", "yaml.load_all"),
    "a shell": lambda call: (
        option(call, "shell") not in (None, False)
        or ends("os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput")(call)
    ),
    "unpacking under the names in an archive": ends(
        *("extractall", "ZipFile.extract", "TarFile.extract", "archive.extract"),
        *("zip.extract", "tar.extract", "unpack_archive"),
    ),
    "XML with entities": ends("minidom.parse", "ElementTree.parse", "etree.parse", "sax.parse"),
    "trust_remote_code other than False": lambda call: (
        option(call, "trust_remote_code") not in (None, False)
    ),
    "a model's files without saying that its code is not run": lambda call: (
        FROM_PRETRAINED(call) and option(call, "trust_remote_code") is not False
    ),
    "weights that need not be safetensors": lambda call: (
        FROM_PRETRAINED(call) and not takes_safetensors(call)
    ),
    "a sentence model with code or pickles of its own": lambda call: (
        ends("SentenceTransformer")(call) and option(call, "trust_remote_code") is not False
    ),
    "a temporary name that somebody could take first": ends("tempfile.mktemp"),
}


def calls(tree: ast.AST) -> Iterator[ast.Call]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def names_bound(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """Functions that are imported by name, or given another one: ``from pickle import loads``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level == 0:
            for name in node.names:
                yield f"{node.module}.{name.name}", node.lineno


def found_in(tree: ast.Module, where: str) -> list[str]:
    found = [
        f"{where}:{call.lineno}: {rule}"
        for call in calls(tree)
        for rule, matches in RULES.items()
        if matches(call)
    ]
    hidden = {"pickle.load", "pickle.loads", "torch.load", "numpy.load", "os.system", "os.popen"}
    found += [
        f"{where}:{line}: {name} under a name of its own"
        for name, line in names_bound(tree)
        if name in hidden
    ]
    return found


@cache
def trees() -> dict[str, ast.Module]:
    """Every module of the package and every script, by its path from the repository."""
    files = [*PACKAGE.rglob("*.py"), *SCRIPTS.glob("*.py")]
    return {
        path.relative_to(PACKAGE.parent).as_posix(): ast.parse(path.read_text("utf-8"))
        for path in sorted(files)
    }


def test_the_package_reads_and_runs_nothing_unsafe() -> None:
    found = [line for path, tree in trees().items() for line in found_in(tree, path)]
    assert not found, "\n".join(found)


def test_from_pretrained_under_another_name_is_as_careful() -> None:
    users = {
        path
        for path, tree in trees().items()
        for node in ast.walk(tree)
        if isinstance(node, (ast.Assign, ast.AnnAssign))
        and isinstance(node.value, ast.Attribute)
        and node.value.attr == "from_pretrained"
    }
    assert users == {"ovbench/systems/hearing/pretrained.py"}
    for path in users:
        text = (PACKAGE.parent / path).read_text("utf-8")
        assert "use_safetensors=True" in text
        assert "trust_remote_code=False" in text


def test_only_the_restricted_unpickler_knows_pickle() -> None:
    users = {
        path
        for path, tree in trees().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Import) and any(name.name == "pickle" for name in node.names)
    }
    # importing.py names the error that PyTorch's own restricted unpickler raises.
    assert users == {"ovbench/io/unpickler.py", "ovbench/systems/hearing/importing.py"}


UNSAFE = [
    "import pickle\npickle.load(file)",
    "from pickle import loads\nloads(data)",
    "import torch\ntorch.load(path)",
    "torch.load(path, weights_only=False)",
    "torch.load(path, weights_only=chosen)",
    "np.load(path, allow_pickle=True)",
    "np.load(path)",
    "eval(text)",
    "exec(compile(text, '', 'exec'))",
    "yaml.load(text)",
    "subprocess.run(text, shell=True)",
    "os.system(text)",
    "zipfile.ZipFile(path).extractall(folder)",
    "tarfile.open(path).extractall()",
    "AutoModel.from_pretrained(name, trust_remote_code=True, use_safetensors=True)",
    "AutoModel.from_pretrained(name, use_safetensors=True)",
    "AutoModel.from_pretrained(name, trust_remote_code=False)",
    "AutoTokenizer.from_pretrained(name)",
    "SentenceTransformer(path)",
]


@pytest.mark.parametrize("source", UNSAFE)
def test_what_is_unsafe_is_found(source: str) -> None:
    assert found_in(ast.parse(source), "x")


SAFE = [
    "torch.load(path, map_location='cpu', weights_only=True)",
    "np.lib.format.read_array(file, allow_pickle=False)",
    "AutoModel.from_pretrained(name, trust_remote_code=False, use_safetensors=True)",
    "AutoTokenizer.from_pretrained(name, trust_remote_code=False)",
    "model.eval()\nre.compile('x')\nyaml.safe_load(text)",
    "subprocess.run([program], shell=False)",
]


@pytest.mark.parametrize("source", SAFE)
def test_what_is_safe_is_let_through(source: str) -> None:
    assert not found_in(ast.parse(source), "x")
