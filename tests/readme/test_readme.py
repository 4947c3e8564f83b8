"""What the documentation shows works as it stands there: the program, how to link it, the command lines."""

import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "tests" / "composer"))

import model  # noqa: E402


def blocks(page, language):
    """The code blocks of a page in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", (ROOT / page).read_text(), re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The prefix of an installation."""
    prefix = tmp_path_factory.mktemp("prefix")
    cmake = [os.environ["HALMIX_CMAKE"], "--install", os.environ["HALMIX_BUILD"], "--prefix", prefix]
    subprocess.run(cmake, check=True, stdout=subprocess.DEVNULL)
    return prefix


@pytest.fixture
def built(installed, tmp_path):
    """Builds a program as the README does."""

    def build(program):
        (project,) = blocks("README.md", "cmake")
        (tmp_path / "example.cpp").write_text(program)
        (tmp_path / "CMakeLists.txt").write_text(project)
        configure = [os.environ["HALMIX_CMAKE"], "-S", tmp_path, "-B", tmp_path / "build", "-G", "Ninja"]
        configure += [f"-DCMAKE_MAKE_PROGRAM={os.environ['HALMIX_NINJA']}", f"-DCMAKE_PREFIX_PATH={installed}"]
        flags = "-Wall -Wextra -Werror"
        if os.environ["HALMIX_SANITIZE"]:
            flags += f" -fsanitize={os.environ['HALMIX_SANITIZE']}"
        subprocess.run([*configure, f"-DCMAKE_CXX_FLAGS={flags}"], check=True)
        subprocess.run([os.environ["HALMIX_CMAKE"], "--build", tmp_path / "build"], check=True)
        return tmp_path / "build" / "example"

    return build


def test_program(built, tmp_path):
    (program,) = blocks("README.md", "cpp")
    printed = subprocess.check_output([built(program)], cwd=tmp_path)

    plan = json.loads(printed)
    y, x = np.indices((plan["height"], plan["width"]))
    original = np.stack([x, y, np.full_like(x, 128)], axis=-1).astype(np.uint8)
    with Image.open(tmp_path / "augmented.ppm") as image:
        result = model.to_array(image)
    assert (result != original).any()
    np.testing.assert_array_equal(result, model.run(original, plan))


def test_program_of_a_loader(built):
    (program,) = blocks("docs/loaders.md", "cpp")
    printed = subprocess.check_output([built(program)], text=True)
    assert printed.startswith("first clean element: -2.117")


def test_program_for_a_gpu(built):
    """It is compiled and linked only, since few machines have one."""
    (program,) = blocks("docs/gpu.md", "cpp")
    built(program + "\nint main() { return Augmenter(1, nullptr).width; }\n")


def test_library_shows_its_own_symbols_only(installed):
    (library,) = installed.glob("lib*/**/libhalmix.so")
    listed = subprocess.check_output(["nm", "--dynamic", "--defined-only", "--demangle", library], text=True)
    names = [line.split(maxsplit=2)[2] for line in listed.splitlines()]
    assert len(names) >= 15
    foreign = [name for name in names if not re.match(r"((typeinfo|typeinfo name|vtable) for )?halmix::", name)]
    assert not foreign


@pytest.mark.parametrize("page", ["README.md", "docs/command.md", "docs/targets.md"])
def test_command_lines(page, tmp_path):
    photo = ROOT / "data" / "chelsea.jpg"
    shutil.copy(photo, tmp_path / "photo.jpg")
    (tmp_path / "photos").mkdir()
    shutil.copy(photo, tmp_path / "photos")
    lines = [line for block in blocks(page, "sh") for line in block.splitlines() if re.search(r"\bhalmix ", line)]
    assert len(lines) >= 2
    path = f"{os.path.dirname(os.environ['HALMIX_COMMAND'])}:{os.environ['PATH']}"
    for line in lines:
        subprocess.run(["bash", "-c", line], cwd=tmp_path, env={**os.environ, "PATH": path}, check=True)
        words = shlex.split(line)
        if "-o" in words:
            out = tmp_path / words[words.index("-o") + 1]
            assert out.is_file() or any(out.rglob("*.png")), line
