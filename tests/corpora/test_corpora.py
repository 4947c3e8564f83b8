"""corpora.py tells of files of which something else becomes than before."""

import os
import pathlib
import subprocess
import sys

import pytest

pytest.importorskip("halmix", reason="corpora.py needs halmix's Python package")
pytest.importorskip("PIL")
pytest.importorskip("tqdm")
from PIL import Image  # noqa: E402


def corpora(*arguments, code=0):
    command = [sys.executable, pathlib.Path(__file__).with_name("corpora.py"), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env={**os.environ, "HALMIX_TARGET": ""})
    assert done.returncode == code, done.stderr
    return done


def test_changes_are_told(tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    Image.effect_noise((60, 50), 99).save(folder / "gray.jpg")
    Image.merge("RGBA", [Image.effect_noise((60, 50), 99)] * 4).save(folder / "alpha.png")
    (folder / "none.jpg").write_text("none")
    (folder / "text.txt").write_text("none")
    manifest = tmp_path / "manifest.tsv"
    table = corpora(folder, "--manifest", manifest, "--write").stdout.splitlines()
    assert table[2] == "| pictures | 3 | 1 | 1 | 1 | 1 | 0 | 0 | 2 | 2 | 0 | 0 |"
    assert corpora(folder, "--manifest", manifest).stdout.splitlines()[:3] == table[:3]

    lines = manifest.read_text().splitlines(keepends=True)
    (alpha,) = (i for i, line in enumerate(lines) if "alpha" in line)
    content, usual, accepting, name = lines[alpha].split("\t")
    assert usual == "-" and len(accepting) == 12
    for changed in (accepting, "-"), ("-", "0" * 12):
        lines[alpha] = "\t".join([content, *changed, name])
        manifest.write_text("".join(lines))
        assert "alpha.png: " in corpora(folder, "--manifest", manifest, code=1).stderr
    del lines[alpha]
    manifest.write_text("".join(lines))
    assert "1 files are not in the manifest." in corpora(folder, "--manifest", manifest).stdout
