"""bench/variants.py and bench/autoschedulers.py: what a pipeline that was made otherwise does wrong is told as such."""

import argparse
import os
import pathlib
import subprocess
import sys

import pytest
from PIL import Image

sys.path.append(str(pathlib.Path(__file__).resolve().parents[2] / "bench"))
import autoschedulers  # noqa: E402
import run  # noqa: E402
import variants  # noqa: E402

BUILD = pathlib.Path(os.environ["HALMIX_BUILD"])
CORE = min(os.sched_getaffinity(0))
SIZE = "32x32"

pytestmark = pytest.mark.skipif(bool(os.environ["HALMIX_SANITIZE"]), reason="builds with sanitizers have no benchmark")


@pytest.fixture(scope="module")
def photo():
    return Image.open(run.PHOTO).convert("RGB")


@pytest.fixture(scope="module")
def ours():
    """The build's own, on the best target."""
    worker = run.Worker("ours", [BUILD / "halmix_bench"], {}, {CORE})
    yield worker
    worker.end()


def function(kind, ours):
    return variants.function(f"{kind}_c3", ours.about["target"])


def compare(ours, program, op, photo, limit=20):
    options = argparse.Namespace(core=CORE, rounds=1)
    return autoschedulers.compare(ours, program, {"op": [{"ops": run.ops_of(op)}]}, SIZE, photo, options, limit)


# The image moved out of itself, which leaves black.
BLACK = "__builtin_memset(dst->host, 0, 3 * 32 * 32);"


@pytest.mark.parametrize(
    "body, failure",
    [
        (f"{BLACK} return 0;", None),
        (f"{BLACK} dst->host[99] = 1; return 0;", "1 of 3072 bytes are wrong"),
        ("return 0;", "3072 of 3072 bytes are wrong"),
        ("return -4;", "shift_c3:"),
        ("__builtin_abort();", "Aborted"),
        ("for (volatile int i = 0;; i = i) {}", "no end within 1 s"),
    ],
    ids=["right", "wrong", "nothing", "error", "crash", "hang"],
)
def test_what_pipelines_do(body, failure, ours, photo, tmp_path):
    buffer = "struct Buffer { unsigned long device; void* interface; unsigned char* host; };"
    arguments = "void*, Buffer*, Buffer*, Buffer*, unsigned, Buffer* dst"
    source, made = tmp_path / "shift.cpp", tmp_path / "shift.o"
    source.write_text(f'{buffer}\nextern "C" int {function("shift", ours)}({arguments}) {{ {body} }}\n')
    subprocess.run(["c++", "-c", source, "-o", made], check=True)
    program = variants.link(BUILD, [made], tmp_path)
    found = compare(ours, program, "translate_y=32", photo, limit=1)
    assert found["ratio"] > 0 if failure is None else found == {"failure": failure}


def test_parameters(ours, photo, tmp_path):
    name = function("sharpness", ours)
    found = []
    for parameters in ({"stencil_group": 64}, {"processor": None}, {"sequence": "tone"}):
        program = variants.link(BUILD, [variants.generate(BUILD, name, parameters, tmp_path)], tmp_path)
        found.append(compare(ours, program, "sharpness=2", photo))
    assert [list(result) for result in found] == [["ratio"], ["ratio"], ["failure"]]
    assert "bytes are wrong" in found[2]["failure"]


def test_generators_that_fail(ours, tmp_path):
    name = function("tone", ours)
    with pytest.raises(variants.Failure, match="^stencil_group=48: it must be a power of two"):
        variants.generate(BUILD, name, {"stencil_group": 48}, tmp_path)
    with pytest.raises(variants.Failure, match=r"^no end within 0\.001 s$"):
        variants.generate(BUILD, name, {}, tmp_path, limit=0.001)
    with pytest.raises(variants.Failure, match="unknown target 'pipelines/halmix_none.o'"):
        variants.generate(BUILD, "halmix_none", {}, tmp_path)


def test_an_autoscheduler(ours, photo, tmp_path, monkeypatch):
    monkeypatch.setattr(autoschedulers, "BUILD", BUILD)
    made = autoschedulers.generate(function("tone", ours), autoschedulers.FORMS["plain"], "Mullapudi2016", tmp_path)
    program = variants.link(BUILD, [made], tmp_path)
    assert compare(ours, program, "posterize=4", photo)["ratio"] > 0
    with pytest.raises(variants.Failure, match="^Undefined buffer"):  # with an extern stage
        autoschedulers.generate(function("tone", ours), {}, "Mullapudi2016", tmp_path)


def test_table():
    same = {"target": "cpu-avx2", "kind": "tone", "form": "plain"}
    rows = [
        same | {"autoscheduler": "A", "size": "1x1", "failure": "signal"},
        same | {"autoscheduler": "A", "size": "2x2", "failure": "signal"},
        same | {"autoscheduler": "B", "size": "1x1", "failure": "other"},
        same | {"autoscheduler": "B", "size": "2x2", "ratio": 2.25},
        same | {"target": "cuda", "autoscheduler": "C", "seconds": 3.2},
    ]
    results = dict.fromkeys(["date", "processor", "commit", "image", "rounds"], "") | {
        "load": 0,
        "sizes": ["1x1", "2x2"],
    }
    text = autoschedulers.text(results | {"measurements": rows})
    assert "| kind | form | A | B |" in text
    assert "| tone | plain | [1] | [2] / 2.2 |" in text
    assert "| tone | plain | compiled in 3 s |" in text
    assert text.endswith("1. signal\n2. other")
