"""What the documentation shows works as it stands there: the program, how to link it, the command lines."""

import importlib.metadata
import importlib.util
import itertools
import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import tempfile

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

    def build(program, project="README.md"):
        (project,) = blocks(project, "cmake")
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


def test_example_loader(installed, tmp_path):
    """The same batches for any number of threads, each file in one rank, and broken files told of."""
    folder = ROOT / "examples" / "loader"
    sources = {"loader.cpp": (folder / "loader.cpp").read_text()}
    flags = ["-Wall", "-Wextra", "-Werror"]
    build = build_with_cmake((folder / "CMakeLists.txt").read_text(), sources, installed, tmp_path, flags)
    rng = np.random.default_rng(0)
    (tmp_path / "files" / "more").mkdir(parents=True)
    for i in range(41):
        name = f"more/{i}.PNG" if i % 3 else f"{i}.jpg"
        Image.fromarray(rng.integers(0, 256, (30 + i, 70 - i, 3), np.uint8)).save(tmp_path / "files" / name)
    (tmp_path / "files" / "broken.jpeg").write_bytes((tmp_path / "files" / "3.jpg").read_bytes()[:300])

    def epochs(*options):
        command = [build / "loader", tmp_path / "files", "--batch", "4", "--crop", "16", *options]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        lines = re.findall(r"^epoch \d+: (\d+) images, digest ([0-9a-f]{16}), ", done.stdout, re.MULTILINE)
        return [(int(count), digest) for count, digest in lines], done.stderr.count("left out: ")

    (first, second), broken = epochs("--threads", "1", "--epochs", "2")
    assert first[0] == second[0] == 41 and first != second and broken == 2
    assert epochs("--threads", "3", "--epochs", "2", "--slots", "2") == ([first, second], 2)
    assert epochs("--seed", "1")[0] != [first]
    ranks = [epochs("--rank", rank, "--ranks", "3") for rank in "012"]
    assert sum(counted[0][0] for counted, _ in ranks) == 41 and sum(broken for _, broken in ranks) == 1
    failed = subprocess.run([build / "loader", tmp_path / "build"], capture_output=True, text=True)
    assert failed.returncode == 1 and failed.stderr.endswith("no JPEG or PNG files for this rank\n")


@pytest.mark.skipif(bool(SANITIZE) or not os.environ.get("HALMIX_PYTHON"), reason="no Python module in this build")
def test_example_dali(installed, tmp_path, monkeypatch):
    """In DALI's pipelines and its dynamic mode: the library's bytes, and messages that name what is wrong."""
    plugin_manager = pytest.importorskip("nvidia.dali.plugin_manager")
    monkeypatch.setenv("VIRTUAL_ENV", sys.prefix)  # the Python that CMake asks for DALI
    monkeypatch.syspath_prepend(os.environ["HALMIX_PYTHON"])
    import halmix
    from nvidia.dali import fn, pipeline_def, types

    folder = ROOT / "examples" / "dali"
    sources = {"augmix.cpp": (folder / "augmix.cpp").read_text()}
    flags = ["-Wall", "-Wextra", "-Werror"]
    build = build_with_cmake((folder / "CMakeLists.txt").read_text(), sources, installed, tmp_path, flags)

    # The program of the documentation, in a process of its own.
    (program,) = blocks("docs/loaders.md", "python")
    (tmp_path / "data").symlink_to(ROOT / "data")
    (build / "dali").symlink_to(build)
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=True)

    plugin_manager.load_library(str(build / "libhalmix_dali.so"))
    from nvidia.dali.experimental import dynamic

    rng = np.random.default_rng(0)
    sizes = [(15, 15, 3), *((*rng.integers(1, 90, 2), (1, 3)[i % 2]) for i in range(12))]
    images = [rng.integers(0, 256, size, np.uint8) for size in sizes]
    indices = range(100, 113)

    def in_pipeline(keys, images=images, threads=3, **arguments):
        @pipeline_def(batch_size=len(images), num_threads=threads, device_id=None, seed=5, enable_checkpointing=True)
        def pipeline():
            sources = (fn.external_source(itertools.repeat(of), batch=True) for of in (images, keys))
            return fn.halmix.augmix(*sources, **arguments)

        (results,) = pipeline().run()
        return [np.array(results.at(i)) for i in range(len(images))]

    def in_dynamic_mode(keys, **arguments):
        batch = dynamic.batch([dynamic.tensor(image, layout="HWC") for image in images])
        results = dynamic.halmix.augmix(batch, dynamic.batch(keys), **arguments)
        return [np.array(one) for one in results.tensors]

    ops = {"severity": 2.3, "width": 2, "depth": 4, "alpha": 0.3, "augmentation_set": "safe,rotate:2.5", "fill": [9, 8, 7]}
    crop = {"scale": [0.1, 0.9], "ratio": [0.7, 1.2], "interpolation": "bicubic", "flip": 0.3, "order": "horizontal_first"}
    floats = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}
    boxes = halmix.RandomResizedCrop((20, 31), **crop)
    # Numbers for which float32 is not enough: a box of 4.5 pixels, rounded to 4; what the weights of one image add up to.
    exact = {"alpha": 0.3, "severity": 0, "augmentation_set": "translate_x"}
    half = {"scale": [0.09, 0.09], "ratio": [1, 1]}
    indices_alone = [np.int32(index) for index in indices]
    with_view = [np.array([3, index, 1]) for index in indices]
    clean = [np.array([3, index, -1]) for index in indices]
    for keys, names, arguments, same in [
        (indices_alone, {}, {}, {}),
        ([np.array([3, index]) for index in indices], {"epoch": 3}, {**ops, "output_layout": "CHW"}, {**ops, "layout": "CHW"}),
        (with_view, {"epoch": 3, "views": ("aug", "aug")}, {"crop": [20, 31], **crop}, {"crop": boxes}),
        (with_view, {"epoch": 3, "views": ("aug", "aug")}, {"dtype": types.FLOAT, **floats}, {"dtype": "float32", **floats}),
        (indices_alone, {}, {"crop": 20, **half, **exact}, {"crop": halmix.RandomResizedCrop(20, **half), **exact}),
        (clean, {"epoch": 3, "views": ("clean",)}, {"dtype": types.FLOAT16, "crop": 24}, {"dtype": "float16", "crop": 24}),
    ]:
        expected = halmix.augmix_batch(images, seed=2**40, indices=indices, **names, **same)
        views = len(names.get("views", ("aug",)))
        expected = list(expected)[views - 1 :: views]  # the last of each sample
        for results in (
            in_pipeline(keys, seed=2**40, **arguments),
            in_pipeline(keys, threads=1, seed=2**40, **arguments),
            in_dynamic_mode(keys, seed=2**40, **arguments),
        ):
            for result, wanted in zip(results, expected, strict=True):
                assert result.dtype == wanted.dtype
                np.testing.assert_array_equal(result, wanted)

    for kind, message, arguments in [
        (RuntimeError, 'arguments: "seed"', {"seed": None}),
        (ValueError, "sample 0: index -1; allowed are whole numbers 0..", {"keys": [np.int64(-1)] * 13}),
        (ValueError, "sample 0 has 4 numbers in 1 dimensions; allowed", {"keys": [np.arange(4)] * 13}),
        (ValueError, "keys: of type float; allowed are int64", {"keys": [np.float32(1)] * 13}),
        (ValueError, "sample 0 has 2 channels; allowed", {"images": [np.zeros((4, 4, 2), np.uint8)] * 13}),
        (ValueError, "images: of type float; allowed is uint8", {"images": [np.zeros((4, 4, 3), np.float32)] * 13}),
        (ValueError, "dimensions 2 does not match any of the allowed", {"images": [np.zeros((4, 4), np.uint8)] * 13}),
        (RuntimeError, "severity: 11; allowed are numbers 0..10", {"severity": 11}),
        (ValueError, "scale: allowed beside crop", {"scale": [0.5, 1]}),
        (ValueError, 'dtype float, output_layout "HWC"; allowed', {"dtype": types.FLOAT, "output_layout": "HWC"}),
    ]:
        with pytest.raises(kind, match=re.escape(message)):
            in_pipeline(**{"keys": indices_alone, "seed": 1, **arguments})


def test_program_of_a_loader(built):
    (program,) = blocks("docs/loaders.md", "cpp")
    printed = subprocess.check_output([built(program)], text=True)
    assert printed.startswith("first clean element: -2.117")


def test_program_that_decodes(built, tmp_path):
    """And its windows are Pillow's."""
    program, _ = blocks("docs/decoding.md", "cpp")
    windows = built(program, "docs/decoding.md")
    with Image.open(ROOT / "data" / "chelsea.jpg") as image:
        photo = image.convert("RGB").crop((50, 40, 50 + 211, 40 + 157))
    gray = photo.convert("L")
    rng = np.random.default_rng(int(os.environ.get("HALMIX_TEST_SEED", 1)))
    files = {"data.jpg": None}
    for subsampling in ("4:4:4", "4:2:2", "4:2:0"):
        for progressive in (False, True):
            files[f"{subsampling} {progressive}.jpg"] = photo, {"subsampling": subsampling, "progressive": progressive}
    files["restart.jpg"] = photo, {"restart_marker_blocks": 5}
    files["gray.jpg"] = gray, {}
    files["gray.png"] = gray, {}
    files["photo.png"] = photo, {}
    files["palette.png"] = photo.quantize(40), {}
    files["bits.png"] = gray.point(lambda level: level > 99, "1"), {}
    files["opaque.png"] = photo.convert("RGBA"), {}
    for name, how in files.items():
        path = tmp_path / name
        if how is None:
            shutil.copy(ROOT / "data" / "chelsea.jpg", path)
        else:
            how[0].save(path, **how[1])
        with Image.open(path) as image:
            whole = image.convert("RGB")
        boxes = [(0, 0, *whole.size)]
        for _ in range(100):
            width, height = (int(rng.integers(1, size + 1)) for size in whole.size)
            boxes.append((int(rng.integers(0, whole.width - width + 1)), int(rng.integers(0, whole.height - height + 1)), width, height))
        printed = subprocess.check_output([windows, path, *(str(number) for box in boxes for number in box)])
        for left, top, width, height in boxes:
            expected = whole.crop((left, top, left + width, top + height))
            expected = b"P6 %d %d 255\n" % (width, height) + expected.tobytes()
            assert printed[: len(expected)] == expected, (name, left, top, width, height)
            printed = printed[len(expected) :]
        assert not printed

    failed = subprocess.run([windows, path, "200", "0", "100", "100"], stderr=subprocess.PIPE, text=True)
    assert failed.returncode == 1
    assert failed.stderr.startswith(f"{path}: is 211 x 157 pixels; a window of 100 x 100 at 200, 0 is not inside; ")


def test_program_that_augments(built, tmp_path):
    _, program = blocks("docs/decoding.md", "cpp")
    photo, broken = ROOT / "data" / "chelsea.jpg", tmp_path / "broken.jpg"
    broken.write_bytes(photo.read_bytes()[:1000])
    printed = subprocess.check_output([built(program, "docs/decoding.md"), photo, broken, photo], text=True)
    first, problem, last = printed.splitlines()
    assert problem.startswith(f"{broken}: is damaged")
    means = [[float(mean) for mean in line.split()] for line in (first, last)]
    assert means[0] != means[1] and all(len(set(three)) == 3 and 0.1 < min(three) and max(three) < 0.9 for three in means)


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


#: Pages with Python programs, and how many.
PYTHON_PAGES = {"README.md": 1, "docs/python.md": 10, "docs/recipes.md": 11}


def python_programs(page):
    """The programs of a page, named by the heading above them."""
    heading = ""
    text = (ROOT / page).read_text()
    for found, program in re.findall(r"^##+ ([^\n]*)$|^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        if program:
            yield pytest.param(program, id=f"{page}: {heading}")
        heading = found or heading


def lacks_packages(program):
    """Whether some of the packages that such programs are tested with is not installed, or in another version."""
    name = "composer-trainer" if "halmix.composer" in program else "extras"
    pins = re.findall(r"^([\w-]+)[^=\n]*==(\S+)", (ROOT / f"python/requirements-{name}.txt").read_text(), re.MULTILINE)
    versions = {package.name: package.version for package in importlib.metadata.distributions()}
    return any(versions.get(package) != version for package, version in pins)


@pytest.mark.parametrize("page", PYTHON_PAGES)
def test_python_programs_are_found(page):
    assert len(list(python_programs(page))) == PYTHON_PAGES[page]


@pytest.mark.skipif(not os.environ.get("HALMIX_PYTHON"), reason="this build has no Python module")
@pytest.mark.parametrize("program", [*itertools.chain(*map(python_programs, PYTHON_PAGES))])
def test_python(program):
    # What frameworks leave in HOME and TMPDIR goes with the folder. Its name is short, as Ray's sockets lie in it.
    with tempfile.TemporaryDirectory(prefix="halmix", ignore_cleanup_errors=True) as folder:
        pathlib.Path(folder, "data").symlink_to(ROOT / "data")
        pathlib.Path(folder, "program.py").write_text(program)  # a file, as processes that are spawned import it
        environment = {**os.environ, "PYTHONPATH": os.environ["HALMIX_PYTHON"], "HOME": folder, "TMPDIR": folder}
        ran = subprocess.run(
            [sys.executable, "program.py"], cwd=folder, env=environment, stderr=subprocess.PIPE, text=True, timeout=300,
            check=False,
        )  # fmt: skip
    missing = re.search(r"^ModuleNotFoundError: No module named '(\w+)", ran.stderr, re.MULTILINE)
    if missing and importlib.util.find_spec(missing[1]) is None and lacks_packages(program):
        pytest.skip(f"{missing[1]} is not installed")
    assert ran.returncode == 0, ran.stderr


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
