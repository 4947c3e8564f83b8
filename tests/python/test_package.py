"""The package as a whole: what importing takes, what the module shows, one version."""

import ast
import inspect
import os
import pathlib
import re
import subprocess
import sys

import pytest

import halmix

ROOT = pathlib.Path(__file__).resolve().parents[2]


def test_one_version():
    (version,) = re.findall(r"project\(halmix VERSION ([0-9.]+)", (ROOT / "CMakeLists.txt").read_text())
    assert halmix.__version__ == version


def test_importing_takes_numpy_and_touches_no_driver():
    program = (
        "import sys, halmix\n"
        "print(*[m for m in ('PIL', 'torch', 'torchvision', 'composer') if m in sys.modules])\n"
        "import numpy\n"
        "halmix.AugMix()(numpy.zeros((8, 8, 3), numpy.uint8))\n"
        "maps = open('/proc/self/maps').read()\n"
        "print('libcuda' in maps, 'libOpenCL' in maps)\n"
    )
    printed = subprocess.check_output([sys.executable, "-c", program], text=True).splitlines()
    assert printed == ["", "False False"]


def test_the_module_shows_its_entry_only():
    shown = subprocess.check_output(["nm", "-D", "--defined-only", halmix._core.__file__], text=True).split("\n")
    assert [line.split()[-1] for line in shown if line] == ["PyInit__core"]


def test_everything_public_is_documented():
    for name in halmix.__all__:
        thing = getattr(halmix, name)
        if callable(thing) and thing.__module__ != "halmix._core":
            assert len(inspect.getdoc(thing)) > 60, name


def test_a_target_by_the_environment():
    program = "import halmix; from halmix._engine import engine; print(engine().target)"
    for target in halmix.targets():
        if target["available"] and target["name"].startswith("cpu"):
            environment = {**os.environ, "HALMIX_TARGET": target["name"]}
            printed = subprocess.check_output([sys.executable, "-c", program], env=environment, text=True)
            assert printed.strip() == target["name"]


def parameters(function):
    """Names and defaults of a function in a stub."""
    given = function.args
    positional = [arg.arg for arg in given.posonlyargs + given.args if arg.arg != "self"]
    defaults = dict(zip(reversed(positional), reversed([ast.literal_eval(value) for value in given.defaults])))
    keywords = {arg.arg: value and ast.literal_eval(value) for arg, value in zip(given.kwonlyargs, given.kw_defaults)}
    return positional, defaults | keywords, {arg.arg for arg in given.kwonlyargs}


@pytest.mark.parametrize("name, imported", [
    ("halmix", {"augmentation_sets"}), ("halmix.torch", set()),
    ("halmix.composer", {"AugmentAndMixTransform", "augmentation_sets", "augmix_image"}),
])  # fmt: skip
def test_stubs_say_what_is_there(name, imported):
    module = pytest.importorskip(name, exc_type=ImportError)
    stub = ast.parse(pathlib.Path(module.__file__).with_suffix(".pyi").read_text())
    named = {node.name for node in stub.body if isinstance(node, (ast.ClassDef, ast.FunctionDef))}
    assert named | imported == set(module.__all__)
    functions = {node.name: node for node in stub.body if isinstance(node, ast.FunctionDef)}
    for node in stub.body:
        if isinstance(node, ast.ClassDef):
            functions[node.name] = next(n for n in node.body if getattr(n, "name", "") == "__init__")
    for name, function in functions.items():
        if getattr(module, name).__module__ == "halmix._core":
            continue
        positional, defaults, keywords = parameters(function)
        signature = inspect.signature(getattr(module, name)).parameters
        kinds = {p.name: p for p in signature.values() if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)}
        assert list(kinds) == positional + [k for k in kinds if k in keywords], name
        for parameter in kinds.values():
            default = None if parameter.default is parameter.empty else parameter.default
            assert defaults.get(parameter.name) == default, (name, parameter)
