"""The package as a whole: what importing takes, what the module shows, one version."""

import inspect
import os
import pathlib
import re
import subprocess
import sys

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
        "print('libcuda' in maps, 'libOpenCL' in maps, len(__import__('os').listdir('/proc/self/task')) if 0 else '')\n"
    )
    printed = subprocess.check_output([sys.executable, "-c", program], text=True).splitlines()
    assert printed == ["", "False False "]


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
