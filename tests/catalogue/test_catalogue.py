"""HALMIX_CATALOGUE and HALMIX_TUNING: what they list, what they refuse, and that a build makes each pipeline once and the
same."""

import itertools
import json
import os
import pathlib
import re
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
CMAKE = os.environ["HALMIX_CMAKE"]
NINJA = os.environ["HALMIX_NINJA"]


def run_cmake(folder, definition, *lines):
    """What a script of CMake prints, relative paths being in a folder."""
    script = folder / "list.cmake"
    script.write_text("\n".join(lines))
    done = subprocess.run([CMAKE, f"-D{definition}", "-P", script], cwd=folder, capture_output=True, text=True)
    if done.returncode:
        raise ValueError(" ".join(done.stderr.split()))
    return done.stderr.strip()


def sequences(folder, catalogue):
    """What is compiled for a value of HALMIX_CATALOGUE."""
    lines = f"include({ROOT}/cmake/HalmixSequences.cmake)", "halmix_list_sequences(sequences)", 'message("${sequences}")'
    return run_cmake(folder, f"HALMIX_CATALOGUE={catalogue}", *lines).split(";")


@pytest.mark.parametrize("catalogue, depth", [("single", 1), ("pairs", 2), ("full", 3)])
def test_all_sequences_to_a_depth(catalogue, depth, tmp_path):
    kinds = sequences(tmp_path, "single")
    assert len(kinds) >= 10
    expected = {"+".join(s) for n in range(1, depth + 1) for s in itertools.product(kinds, repeat=n)}
    listed = sequences(tmp_path, catalogue)
    assert len(set(listed)) == len(listed)
    assert set(listed) == {s for s in expected if "tone+tone" not in s}


def test_list_in_a_file(tmp_path):
    text = "# fused; [all]\n\naffine+equalize  # twice\n\taffine+equalize\r\ntone\ntone+color+tone"
    (tmp_path / "list.txt").write_bytes(text.encode())
    kinds = sequences(tmp_path, "single")
    expected = [*kinds, "affine+equalize", "tone+color+tone"]
    assert sequences(tmp_path, "list.txt") == sequences(tmp_path, tmp_path / "list.txt") == expected
    (tmp_path / "list.txt").write_text("+".join(["shift"] * 12))
    assert sequences(tmp_path, "list.txt") == [*kinds, "+".join(["shift"] * 12)]
    (tmp_path / "list.txt").write_text("")
    assert sequences(tmp_path, "list.txt") == kinds


@pytest.mark.parametrize(
    "text, message",
    [
        ("tone\n\ncolor+rotate\n", r':3: "rotate" is not a kind; kinds, joined by \'\+\', are tone, .*, affine'),
        ("affine tone", ':1: "affine tone" is not a kind'),
        ("affine;tone", ':1: "affine.tone" is not a kind'),
        ("[affine\ntone]", ':1: ".affine" is not a kind'),
        ("tone\\\naffine", ':1: "tone." is not a kind'),
        ("affine+", ':1: "" is not a kind'),
        ("\n+", ':2: "" is not a kind'),
        ("+".join(["shift"] * 13), ":1: 13 kinds; a pipeline has at most 12"),
        ("color+tone+tone", r":1: tone\+tone becomes one stage"),
    ],
)
def test_lists_that_are_refused(text, message, tmp_path):
    (tmp_path / "list.txt").write_text(text)
    with pytest.raises(ValueError, match=re.escape(str(tmp_path / "list.txt")) + message):
        sequences(tmp_path, "list.txt")


def test_measured_list(tmp_path):
    listed = sequences(tmp_path, "measured")
    assert listed == sequences(tmp_path, ROOT / "generators" / "measured_sequences.txt")
    assert set(sequences(tmp_path, "single")) < set(listed) < set(sequences(tmp_path, "pairs"))


@pytest.mark.parametrize("catalogue", ["", "triples", "single;pairs", "."])
def test_values_that_are_refused(catalogue, tmp_path):
    with pytest.raises(ValueError, match=f'"{re.escape(catalogue)}" is not measured, single, pairs or full'):
        sequences(tmp_path, catalogue)


class Build:
    """A build of nothing but pipelines, with a list of its own."""

    def __init__(self, folder):
        self.folder = folder / "build"
        self.list = folder / "list.txt"
        self.list.write_text("tone+shift\n")

    def configure(self, targets, tuning="none"):
        options = [f"-DHALMIX_CATALOGUE={self.list}", f"-DHALMIX_BUILD_TARGETS={targets}", "-DCMAKE_BUILD_TYPE=Debug"]
        options += [f"-DHALMIX_TUNING={tuning}"]
        options += [f"-DHALMIX_BUILD_{part}=OFF" for part in ("COMMAND", "TESTS", "BENCH")]
        command = [CMAKE, "-S", ROOT, "-B", self.folder, "-G", "Ninja", f"-DCMAKE_MAKE_PROGRAM={NINJA}", *options]
        return subprocess.run(command, capture_output=True, text=True)

    def ninja(self, *arguments):
        done = subprocess.run([NINJA, "-C", self.folder, *arguments], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout
        return done.stdout

    def make(self, *names):
        """Makes objects; returns the names of those that were not up to date."""
        return re.findall(r"Generating (halmix\S+)", self.ninja(*[f"pipelines/{name}.o" for name in names]))

    def names(self):
        return set(re.findall(r"^pipelines/(\S+)\.o:", self.ninja("-t", "targets", "all"), re.MULTILINE))

    def bytes(self, name):
        return (self.folder / "pipelines" / f"{name}.o").read_bytes()


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    return Build(tmp_path_factory.mktemp("catalogue"))


@pytest.mark.parametrize("targets", ["", "cpu-sse41;cpu-vax", "avx2"])
def test_targets_that_are_refused(targets, build):
    done = build.configure(targets)
    assert done.returncode != 0
    message = f'HALMIX_BUILD_TARGETS: "{targets}" is not all, or a list of some of cpu-avx512, cpu-avx2, cpu-sse41'
    assert message in " ".join(done.stderr.split())


def test_only_what_is_missing_is_generated_and_always_the_same(build):
    done = build.configure("cpu-avx2")
    assert done.returncode == 0, done.stderr
    kinds = set(sequences(build.folder, "single"))
    layouts = ["u8_chw_c3", "u8_rgbx_c3", "f16_chw_c1", "f16_chw_c3", "f32_chw_c1", "f32_chw_c3"]
    shared = {"halmix_mix__cpu_avx2", "halmix_halide_runtime"}
    shared |= {f"halmix_convert_u8_hwc_{layout}__cpu_avx2" for layout in layouts}
    shared |= {f"halmix_convert_{layout}_u8_hwc_c3__cpu_avx2" for layout in ("u8_chw", "u8_rgbx")}
    shared |= {f"halmix_resample_c{channels}__cpu_avx2" for channels in (0, 1, 3)}
    rgb = {f"halmix_{kind}_c3__cpu_avx2" for kind in kinds}
    gray = {f"halmix_{kind}_c1__cpu_avx2" for kind in kinds - {"color"}}
    pair = "halmix_tone_shift_c3__cpu_avx2"
    assert build.names() == shared | rgb | gray | {pair}

    some = ["halmix_equalize_c1__cpu_avx2", "halmix_mix__cpu_avx2", "halmix_halide_runtime", pair]
    assert sorted(build.make(*some)) == sorted(some)
    assert build.make(*some) == []
    first = {name: build.bytes(name) for name in some}
    for name in some:
        (build.folder / "pipelines" / f"{name}.o").unlink()
    assert sorted(build.make(*reversed(some))) == sorted(some)
    assert {name: build.bytes(name) for name in some} == first

    # A longer list, more targets, fewer of both: what is there stays.
    build.list.write_text("tone+shift\nshift+tone\n")
    build.ninja("build.ninja")
    longer = "halmix_shift_tone_c3__cpu_avx2"
    assert build.make(*some, longer) == [longer]
    assert build.configure("all").returncode == 0
    assert {f"halmix_mix__cpu_{target}" for target in ("avx512", "avx2", "sse41")} < build.names()
    other = "halmix_shift_tone_c3__cpu_sse41"
    assert build.make(*some, longer, other) == [other]
    build.list.write_text("")
    assert build.configure("cpu-avx2").returncode == 0
    assert build.names() == shared | rgb | gray
    assert build.make(*some[:-1]) == []


def tuned(folder, text, pipeline):
    """The values that a file gives a pipeline of cpu-avx2."""
    (folder / "tuned.json").write_text(text)
    lines = f"include({ROOT}/cmake/HalmixTuning.cmake)", "halmix_read_tuning()"
    return run_cmake(folder, "HALMIX_TUNING=tuned.json", *lines, f'message("${{halmix_tuned/cpu_avx2/{pipeline}}}")')


def test_values_of_a_file(tmp_path):
    text = """{"target": "cpu-avx2", "commit": "any", "pipelines":
              {"mix": {"mix_vectors": 2}, "tone_shift_c3": {"shift_group": 128, "line_lanes": 1}, "color_c3": {}}}"""
    assert tuned(tmp_path, text, "mix") == "mix_vectors=2"
    assert tuned(tmp_path, text, "tone_shift_c3") == "line_lanes=1;shift_group=128"
    assert tuned(tmp_path, text, "color_c3") == tuned(tmp_path, text, "tone_c3") == ""
    assert tuned(tmp_path, text.replace("avx2", "avx512"), "mix") == ""


@pytest.mark.parametrize(
    "text, message",
    [
        ("", "parsing"),
        ("[]", "not an object|target"),
        ('{"target": "cpu-vax", "pipelines": {}}', '"cpu-vax" is not a target; targets are cpu-avx512, .*opencl'),
        ('{"target": "cpu-avx2"}', "pipelines"),
        ('{"target": "cpu-avx2", "pipelines": {"rotate_c3": {}}}', '"rotate_c3" is no pipeline\'s name'),
        ('{"target": "cpu-avx2", "pipelines": {"tone": {}}}', '"tone" is no pipeline\'s name'),
        ('{"target": "cpu-avx2", "pipelines": {"mix": {"mix_vectors": 2.5}}}', 'mix: "mix_vectors": "2.5" is not'),
        ('{"target": "cpu-avx2", "pipelines": {"mix": {"-e stmt": 2}}}', 'mix: "-e stmt": "2" is not a parameter'),
    ],
)
def test_files_that_are_refused(text, message, tmp_path):
    with pytest.raises(ValueError, match=re.escape(str(tmp_path / "tuned.json")) + f".*({message})"):
        tuned(tmp_path, text, "mix")


def test_files_that_are_not_there_or_for_one_target_twice(tmp_path):
    lines = f"include({ROOT}/cmake/HalmixTuning.cmake)", "halmix_read_tuning()"
    with pytest.raises(ValueError, match='HALMIX_TUNING: "tunde.json" is not shipped or none, and there is no file'):
        run_cmake(tmp_path, "HALMIX_TUNING=tunde.json", *lines)
    for name in ("a.json", "b.json"):
        (tmp_path / name).write_text('{"target": "cpu-avx2", "pipelines": {}}')
    with pytest.raises(ValueError, match="b.json: another file is for cpu-avx2 as well"):
        run_cmake(tmp_path, "HALMIX_TUNING=a.json;b.json", *lines)


@pytest.mark.parametrize(
    "target, names, parameter, other",
    [
        ("cpu-avx2", ["shift_c3", "tone_c3", "shift_c1"], "shift_group", {"mix": {"mix_vectors": 2}}),
        ("opencl", ["mix_u8_hwc_c3", "tone_c3", "tone_shift_c3"], "gpu_tile_width", {"tone_c1": {"gpu_rows": 1}}),
    ],
)
def test_a_value_makes_its_pipeline_alone(target, names, parameter, other, build):
    batch = "" if target.startswith("cpu") else "batch_"
    some = [f"halmix_{batch}{name}__{target.replace('-', '_')}" for name in names]
    targets = f"cpu-avx2;{target}" if batch else target
    file = build.folder / "tuned.json"

    def made(pipelines):
        file.write_text(json.dumps({"target": target, "pipelines": pipelines}))
        return build.make(*some)

    assert build.configure(targets).returncode == 0
    build.make(*some)
    first = [build.bytes(name) for name in some]
    file.write_text(json.dumps({"target": target, "pipelines": {}}))
    assert build.configure(targets, file).returncode == 0
    assert build.make(*some) == []
    assert made({**other, names[2]: {}}) == []
    assert made({names[0]: {parameter: 16}}) == some[:1]
    assert build.bytes(some[0]) != first[0]
    assert made({}) == some[:1]
    assert [build.bytes(name) for name in some] == first


@pytest.mark.parametrize(
    "parameter, value, message",
    [
        ("shift_group", 48, "shift_group=48: it must be a power of two"),
        ("shift_group", 1024, "shift_group=1024: it must be at most 512"),
        ("shear_y_spread", 0, "shear_y_spread=0: it must be from 1 to 1024"),
        ("shift_groups", 64, "has no GeneratorParam named: shift_groups"),
    ],
)
def test_values_that_stop_a_generator(parameter, value, message, build):
    file = build.folder / "tuned.json"
    file.write_text(json.dumps({"target": "cpu-avx2", "pipelines": {"shift_c3": {parameter: value}}}))
    assert build.configure("cpu-avx2", file).returncode == 0
    done = subprocess.run([NINJA, "-C", build.folder, "pipelines/halmix_shift_c3__cpu_avx2.o"], capture_output=True, text=True)
    assert done.returncode != 0
    assert message in done.stdout
    file.unlink()
    assert build.configure("cpu-avx2").returncode == 0
