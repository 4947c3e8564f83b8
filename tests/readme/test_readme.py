"""What the documentation shows works as it stands there: the program, how to link it, the command lines."""

import importlib.util
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
sys.path += [str(ROOT / "tests" / "composer"), str(ROOT / "tests" / "c")]

import model  # noqa: E402
from installation import SANITIZE, build_with_cmake, environment, installed, library  # noqa: E402, F401


def blocks(page, language):
    """The code blocks of a page in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", (ROOT / page).read_text(), re.MULTILINE | re.DOTALL)


@pytest.fixture
def built(installed, tmp_path):
    """Builds a program as the README does."""

    def build(program):
        (project,) = blocks("README.md", "cmake")
        warnings = ["-Wall", "-Wextra", "-Werror"]
        return build_with_cmake(project, {"example.cpp": program}, installed, tmp_path, warnings) / "example"

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


def test_program_in_c(environment, tmp_path):
    """The lines of the README, for an installation elsewhere."""
    (lines,) = [block for block in blocks("README.md", "sh") if "pkg-config" in block]
    with Image.open(ROOT / "data" / "chelsea.jpg") as image:
        image.convert("RGB").save(tmp_path / "photo.ppm")
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    export, rest = lines.split("\n", 1)
    assert export.startswith("export ")
    rest = rest.replace("cc ", " ".join(["cc", *SANITIZE, ""]))
    subprocess.run(["bash", "-ec", rest], cwd=tmp_path, env=environment, check=True)
    with Image.open(tmp_path / "augmented.ppm") as result:
        assert result.size == Image.open(tmp_path / "photo.ppm").size


@pytest.mark.skipif(not os.environ.get("HALMIX_PYTHON"), reason="this build has no Python module")
@pytest.mark.parametrize("page,blocks_there", [("README.md", 1), ("docs/python.md", 5)])
def test_python(page, blocks_there, tmp_path):
    (tmp_path / "data").symlink_to(ROOT / "data")
    programs = blocks(page, "python")
    assert len(programs) == blocks_there
    for program in programs:
        if "halmix.torch" in program and importlib.util.find_spec("torch") is None:
            continue
        environment = {**os.environ, "PYTHONPATH": os.environ["HALMIX_PYTHON"]}
        subprocess.run([sys.executable, "-c", program], cwd=tmp_path, env=environment, check=True)


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
