"""scripts/tune: what it accepts and what it never does, and that it goes on where it was killed."""

import argparse
import itertools
import os
import pathlib
import re
import signal
import subprocess
import sys

import numpy as np
import optuna
import pytest
from optuna.storages import InMemoryStorage

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ["HALMIX_BUILD"])
SCALE = int(os.environ.get("HALMIX_TEST_SCALE", "1"))
sys.path.insert(0, str(ROOT / "bench"))

import run  # noqa: E402
import tune  # noqa: E402
import variants  # noqa: E402
from tuning import builds, catalogue, proof, search, trials, workload  # noqa: E402

optuna.logging.set_verbosity(optuna.logging.WARNING)
TARGET = "cpu-sse41"  # which every machine has
GPU = "opencl"  # of which scripts/setup installs a device that is the CPU
CORE = max(os.sched_getaffinity(0))


def case(ops, size="32x32", pipeline="tone_c3", content="photo", weight=1.0):
    return workload.Case(pipeline, size, content, ops, weight)


CASES = [case((("posterize", 4.0),)), case((("brightness", 0.7),)), case((("solarize", 90.0),), "224x224")]


class Drawn(trials.Bench):
    """Its times are drawn: of cases with these gains; processes differ by some, single times by more, and some are far
    off."""

    def __init__(self, seed, gains, copies=1.0, process=0.007, noise=0.03):
        self.random, self.gains, self.copies, self.process, self.noise = (
            np.random.default_rng(seed),
            gains,
            copies,
            process,
            noise,
        )
        self.cases = [case((("rotate", float(i)),)) for i in range(len(gains))]

    def times(self, incumbent, candidate, cases, processes, rounds):
        shape = processes, rounds, len(cases), 3
        logs = self.random.normal(0, self.noise, shape) + self.random.normal(0, self.process, (processes, 1, 1, 3))
        us = 10 * np.exp(logs)
        us[self.random.random(shape) < 0.01] *= 2
        return us / np.array([[1, self.copies, gain] for gain in self.gains])

    def verdict(self):
        return self.confirm(None, None, self.cases)


def test_what_gains_enough_is_accepted():
    bench = Drawn(1, [1.05] * 20)
    verdicts = [bench.verdict() for _ in range(200)]
    assert sum(verdict.accepted for verdict in verdicts) > 150
    assert np.mean([verdict.gain for verdict in verdicts]) == pytest.approx(1.05, abs=0.002)
    assert np.mean([verdict.low < 1.05 for verdict in verdicts]) > 0.9


def test_what_is_the_same_never_is():
    bench = Drawn(2, [1.0] * 20)
    assert not any(bench.verdict().accepted for _ in range(4000))


def test_a_case_that_loses_is_named():
    assert "slower: rotate=9 on photo at 32x32: 0.9" in Drawn(3, [1.1] * 9 + [0.95], process=0.002).verdict().refusal


def test_nothing_is_accepted_while_a_copy_differs():
    assert (
        "a copy of the incumbent differs as well: 1.0"
        in Drawn(4, [1.1] * 10, copies=1.02, process=0.002).verdict().refusal
    )


def test_weights_count():
    bench = Drawn(5, [1.2, 1.0], noise=0.001, process=0.001)
    bench.cases = [one._replace(weight=weight) for one, weight in zip(bench.cases, (0.9, 0.1))]
    assert bench.verdict().gain == pytest.approx(1.2**0.9, rel=0.01)


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    images = workload.Images(run.PHOTO)
    return trials.Bench(BUILD, TARGET, CORE, images, tmp_path_factory.mktemp("tuning"))


def search_of(bench, cases=CASES, pipeline="tone_c3", space=None):
    space = space or search.parameters(bench.build, pipeline, bench.target)
    made = bench.build / "pipelines" / f"{variants.function(pipeline, bench.target)}.o"
    storage = InMemoryStorage()
    return search.Search(bench, [search.Pipeline(pipeline, 0.1, cases, space, made, storage)], storage)


def test_workload_is_what_augmix_calls(bench):
    with bench.start("halmix", BUILD / "halmix_bench") as worker:
        cases = workload.cases(worker, bench.core, bench.images, ["32x32", "65x31"], [3, 10])
    shares = workload.shares(cases)
    assert sum(shares.values()) == pytest.approx(1)
    assert shares["affine_c3"] > shares["shift_c3"] > 0 and shares["mix"] > 0
    assert {case.content for case in cases} == {"photo", "noise", "flat", "posterised"}
    ops = {op for case in cases for op, _ in case.ops}
    assert ops == {op["op"] for op in worker.about["ops"]}
    values = [case.ops[0][1] for case in cases if case.ops and case.ops[0][0] == "rotate" and len(case.ops) == 1]
    assert len(set(values)) >= workload.CALLS_OF_ONE_OP and max(map(abs, values)) > 9


def test_parameters_are_those_that_a_pipeline_reads(bench):
    found = search.parameters(BUILD, "shift_c3", TARGET)
    assert set(found) == {"line_lanes", "shift_group", "loop_optimizers"}
    assert found["shift_group"] == {"value": 64, "values": [16, 32, 64, 128, 256, 512]}
    assert found["loop_optimizers"]["values"] == [1, 2]
    assert "shear_y_spread" in search.parameters(BUILD, "shear_y_c3", TARGET)
    assert "mix_vectors" in search.parameters(BUILD, "mix", TARGET)


IMAGE = "struct halide_buffer_t *"
ARGUMENTS = {
    TARGET: f"void *context, {IMAGE}src, void *params, void *tables, unsigned fill, {IMAGE}dst",
    GPU: f"void *context, {IMAGE}src, void *places, void *fills, void *params, void *tables, int first, int first_stage, "
    f"int count, {IMAGE}dst",
}


def planted(folder, code, target=TARGET):
    """An object with the pipeline of tone, in C; `original` is what the build has of it."""
    function, arguments = variants.function("tone_c3", target), ARGUMENTS[target]
    source = folder / "planted.c"
    source.write_text(
        f"#include <HalideRuntime.h>\nint original({arguments});\nint {function}({arguments}) {{ {code} }}\n"
    )
    own, original, both = folder / "own.o", folder / "original.o", folder / f"{function}.o"
    halide = next(path for path in map(pathlib.Path, sys.path) if (path / "halide" / "include").is_dir())
    subprocess.run(["cc", "-c", "-O1", "-fPIC", f"-I{halide}/halide/include", source, "-o", own], check=True)
    symbol = f"{function}=original"
    subprocess.run(["objcopy", "--redefine-sym", symbol, BUILD / "pipelines" / f"{function}.o", original], check=True)
    subprocess.run(["ld", "-r", own, original, "-o", both], check=True)
    return both


WRONG_BYTE = """
    int status = original(context, src, params, tables, fill, dst);
    if (dst->dim[1].extent * dst->dim[2].extent > 40000) dst->host[77] ^= 1;
    return status;
"""


@pytest.mark.parametrize(
    "code, refusal",
    [
        (WRONG_BYTE, "1 wrong bytes: solarize=90 on photo at 224x224"),
        ("return 0;", "wrong bytes"),
        ("__builtin_trap();", "Illegal instruction"),
        ("for (volatile int forever = 1; forever;) {} return 0;", "no end within"),
        ("return -5;", "tone_c3:"),
        ("*(volatile char *)0 = 0; return 0;", "Segmentation fault"),
    ],
)
def test_planted_variants_are_refused(code, refusal, bench, tmp_path, monkeypatch):
    found = search_of(bench)
    made = planted(tmp_path, code)
    monkeypatch.setattr(bench, "limit", 6)
    monkeypatch.setattr(found, "generate", lambda *_: made)
    found.run(0.001)
    assert found.accepted == []
    last = found.pipelines["tone_c3"].ended[-1]
    assert last.value == 0
    assert re.search(refusal, last.user_attrs["refusal"])


def test_illegal_values_are_refused(bench):
    found = search_of(bench, [case((("translate_x", 5.0),), pipeline="shift_c3")], "shift_c3")
    value, told = found.attempt(found.pipelines["shift_c3"], {"shift_group": 48})
    assert value == 0
    assert told["refusal"] == "shift_group=48: it must be a power of two, as a vector's lanes are"


def test_searches_over_identical_variants_accept_nothing(bench, monkeypatch):
    """Timed as if they were others: 2 * SCALE searches."""
    count = itertools.count()
    for _ in range(2 * SCALE):
        found = search_of(bench, space={"any": {"value": 1, "values": [1, 2, 3, 4]}})
        same = variants.generate(BUILD, variants.function("tone_c3", TARGET), {}, bench.directory)
        with monkeypatch.context() as patch:
            patch.setattr(search, "digest", lambda _: next(count))
            patch.setattr(found, "generate", lambda *_, same=same: same)
            patch.setattr(search, "WORTH_CONFIRMING", 0)  # or few would come to be
            found.run(60)
        assert len(found.pipelines["tone_c3"].ended) == found.pipelines["tone_c3"].possible
        assert found.accepted == []


@pytest.fixture(scope="module")
def gpu(tmp_path_factory):
    images = workload.Images(run.PHOTO)
    return trials.Bench(BUILD, GPU, CORE, images, tmp_path_factory.mktemp("gpu"))


def ask(bench, worker, job, ops="", **members):
    """One request, of a small photo."""
    members |= {**bench.images.request("33x17", "photo"), **({"ops": run.ops_of(ops)} if ops else {})}
    return worker.request(bench.core, job, **members)


def test_a_gpu_is_found_and_says_what_it_does(gpu):
    with gpu.start("halmix", BUILD / "halmix_bench") as worker:
        assert worker.about["target"] == GPU
        assert {"chain", "mix", "augmix", "check"} < set(worker.about["jobs"])
        assert "throughput" not in worker.about["jobs"]
        found = worker.request(gpu.core, "devices")["devices"]
    assert set(found) == set(builds.gpu_targets())
    assert all(bool(devices["names"]) != bool(devices["problem"]) for devices in found.values())
    assert found[GPU]["names"]


def test_batches_on_a_gpu_are_timed(gpu):
    blocks, policy = {"blocks": 4, "block_us": 100}, {"policy": run.POLICY, "warm_up": 1}
    many = (12 << 20) // (2 * 3 * 33 * 17) + 1  # that are worth a launch
    with gpu.start("halmix", BUILD / "halmix_bench") as worker:
        reply = ask(gpu, worker, "chain", "posterize=4,color=2", batch=2, **blocks)
        assert reply["pipelines"] == ["tone_c3", "color_c3"]
        assert len(reply["us"]) == 4 and min(reply["us"]) > 0
        fused = ask(gpu, worker, "chain", "posterize=4,color=2", batch=many, **blocks)
        assert fused["pipelines"] == ["tone_color_c3"]
        assert len(ask(gpu, worker, "mix", batch=2, **blocks)["us"]) == 4
        for images, batches in ((4, 2), (5, 3)):
            assert len(ask(gpu, worker, "augmix", batch=2, images=images, **policy)["us"]) == batches
        assert len(ask(gpu, worker, "augmix", images=2, **policy)["us"]) == 1


def test_batches_on_a_gpu_are_right(gpu):
    with gpu.start("halmix", BUILD / "halmix_bench") as worker:
        examples = [f"{op['op']}={op['examples'][0]}" for op in worker.about["ops"]]
        assert len(examples) == 13
        for ops in ("", *examples, ",".join(examples[2:5])):
            assert ask(gpu, worker, "check", ops, fill=[7, 130, 251]) == {"differing": 0}
        assert ask(gpu, worker, "check", examples[0], batch=7) == {"differing": 0}


@pytest.mark.parametrize("batch, wrong", [(1, 0), (3, 2)])
def test_each_image_on_a_gpu_is_looked_at(batch, wrong, gpu, tmp_path):
    """Of a pipeline that computes but one."""
    code = "return original(context, src, places, fills, params, tables, first, first_stage, 1, dst);"
    program = variants.link(BUILD, [planted(tmp_path, code, GPU)], tmp_path)
    with gpu.start("planted", program) as worker:
        differing = ask(gpu, worker, "check", "solarize=0", batch=batch)["differing"]
    assert (differing > wrong * 33 * 17) == bool(wrong)


@pytest.mark.parametrize(
    "job, ops, batch, message",
    [
        ("throughput", "", 1, "^job: throughput: not on a GPU$"),
        ("mix", "", 0, "^batch: 0 images$"),
        ("chain", "posterize=9", 1, "^9 for posterize; allowed are"),
    ],
)
def test_requests_that_a_gpu_refuses(job, ops, batch, message, gpu):
    with gpu.start("halmix", BUILD / "halmix_bench") as worker, pytest.raises(variants.Failure, match=message):
        ask(gpu, worker, job, ops, batch=batch, blocks=1, block_us=1)


def test_a_search_on_a_gpu(gpu, monkeypatch):
    monkeypatch.setitem(workload.BLOCKS, "batch", 4)
    monkeypatch.setattr(trials, "ODD_SIZES", ("2x3", "63x31"))
    monkeypatch.setattr(workload, "IMAGES", 4)
    monkeypatch.setattr(gpu.images, "weights", {"photo": 1.0})
    monkeypatch.setattr(search, "WORTH_CONFIRMING", 100)  # which takes long, and is the same as on CPUs
    with gpu.start("halmix", BUILD / "halmix_bench") as worker:
        cases = workload.cases(worker, gpu.core, gpu.images, ["32x32"], [3])
    shares = workload.shares(cases)
    assert sum(shares.values()) == pytest.approx(1)
    assert {"mix_u8_hwc_c3", "affine_c3"} < set(shares)
    equalize = case((("equalize", 0.0),), pipeline="equalize_c3")
    assert "gpu_reduction_threads" in search.parameters(BUILD, equalize.pipeline, GPU)
    for one in (next(each for each in cases if not each.ops), equalize):
        name = one.pipeline
        space = search.parameters(BUILD, name, GPU)
        assert {"gpu_tile_width", "gpu_tile_height", "gpu_rows"} <= set(space)
        assert "loop_optimizers" not in space
        assert space["gpu_tile_width"]["values"] == [4, 8, 16, 32]
        found = search_of(gpu, [one], name, space)
        pipeline = found.pipelines[name]
        found.run(0.001)
        values = {**pipeline.start, "gpu_tile_width": 64, "gpu_tile_height": 8}
        assert found.attempt(pipeline, values)[0] == 0
        assert len(pipeline.ended) == 2
        assert all(trial.value > 0 for trial in pipeline.ended)


def devices(**problems):
    return {
        target: {"names": [] if target in problems else [f"one of {target}"], "problem": problems.get(target, "")}
        for target in builds.gpu_targets()
    }


def test_gpu_targets(monkeypatch):
    monkeypatch.setattr(tune, "Tuning", lambda target, options, build, processor: (target, build.targets, processor))
    best = builds.available_targets()[0]

    def tunings(found, named=None):
        monkeypatch.setattr(builds, "devices", lambda: found)
        return list(tune.tunings(named or builds.gpu_targets(), argparse.Namespace(targets=named)))

    assert [target for target, *_ in tunings(devices())] == builds.gpu_targets()
    assert tunings(devices(cuda="no driver")) == [(GPU, [best, GPU], "one of opencl")]
    assert tunings(devices(cuda="no driver"), [best, GPU])[0][:2] == (best, [best])
    for found, named, message in [
        (devices(cuda="no driver", opencl="no device"), None, "^target cuda: no driver; target opencl: no device$"),
        (devices(opencl="no device"), [best, GPU], "^target opencl: no device$"),
    ]:
        with pytest.raises(RuntimeError, match=message):
            tunings(found, named)


FAKE = """
import pathlib, sys, time
sys.path[:0] = {path!r}
import optuna
from tuning import search, trials, workload
optuna.logging.set_verbosity(optuna.logging.WARNING)

class Bench:
    "Takes its time; what is far from 4 and 4 is slower."
    build, target, core, directory = None, "cpu-sse41", None, None
    def program(self, name, objects): return None
    def check(self, program, cases): time.sleep(0.02)
    def gain(self): return 1.2 - 0.02 * (abs(Search.last["a"] - 4) + abs(Search.last["b"] - 4))
    def screen(self, *_):
        return trials.Verdict(self.gain() / found.pipelines["p"].gain, 1, 1, 1, "", "not shown")
    def confirm(self, *_):
        gain = self.gain() / found.pipelines["p"].gain
        return trials.Verdict(gain, gain, 1, 1, "", "" if gain > 1.01 else "not shown")

class Made:
    def __init__(self, values): self.values = values
    def read_bytes(self): return str(sorted(self.values.items())).encode()
    def with_name(self, name): return self
    def replace(self, other): return self

class Search(search.Search):
    def generate(self, pipeline, values):
        Search.last = values
        return Made(values)

storage = search.journal(pathlib.Path({folder!r}))
space = {{name: {{"value": 1, "values": list(range(1, 9))}} for name in "ab"}}
pipeline = search.Pipeline("p", 0.5, [], space, Made({{"a": 1, "b": 1}}), storage)
found = Search(Bench(), [pipeline], storage)
found.run({budget})
"""


def test_a_search_that_is_killed_goes_on(tmp_path):
    random = np.random.default_rng(6)
    program = FAKE.format(path=[str(ROOT / "bench")], folder=str(tmp_path), budget=4)
    for _ in range(8):
        process = subprocess.Popen([sys.executable, "-c", program])
        try:
            process.wait(timeout=1.2 + random.random() * 0.6)
        except subprocess.TimeoutExpired:
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
    done = subprocess.run([sys.executable, "-c", program])
    assert done.returncode == 0
    storage = search.journal(tmp_path)
    ended = optuna.load_study(study_name="p", storage=storage).get_trials(states=[optuna.trial.TrialState.COMPLETE])
    values = [tuple(sorted(trial.params.items())) for trial in ended]
    assert len(values) > 8
    assert len(set(values)) == len(values)
    log = optuna.load_study(study_name="search", storage=storage).user_attrs
    last = ended[-1].duration.total_seconds()  # what is begun in time is ended
    assert 4 <= log["spent"] < 4.1 + last or len(values) == 64
    assert log["accepted"][-1]["values"] == {"a": 4, "b": 4}


def test_catalogue_lists_pairs_that_pay():
    verdict = trials.Verdict(1.034, 1.021, 1.001, 0.993, "a call", "")
    found = {
        "tone+shift": verdict._replace(gain=1.01, low=0.99, refusal="the gain is not shown"),
        "shift+tone": verdict,
        "shear_x+affine": verdict._replace(gain=1.2),
    }
    text = catalogue.listing(found, date="today", commit="abc", targets="cpu-avx2", processor="one")
    lines = [line for line in text.splitlines() if line]
    assert [line.split()[0] for line in lines if not line.startswith("#")] == ["shear_x+affine", "shift+tone"]
    assert lines[-1] == "# tone+shift      # 1.010 0.990 0.99"
    assert [catalogue.sequence(f"{name}_c3") for name in ("shear_x_affine", "tone_shear_y", "shift", "resample")] == [
        *("shear_x+affine", "tone+shear_y", "shift", "")
    ]


def test_proof_needs_a_gain_and_no_loss():
    gains = {("32x32", 3): [1.02, 1.03, 1.02], ("224x224", 3): [1.01, 1.02, 1.01]}
    assert proof.is_gain(gains)
    assert not proof.is_gain({**gains, ("512x512", 3): [0.99, 0.99, 0.99]})
    assert not proof.is_gain({("32x32", 3): [1.1, 0.9, 1.05]})


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--budget", "soon"], "'soon' is not a time such as 90s, 15m or 2h"),
        (["--sizes", "224"], "'224' is not a size such as 224x224"),
        (["--severity", "11"], "argument --severity: '11' is not a severity from 1 to 10"),
        (["--targets", "cpu-avx2", "cpu-sse41", "--out", "x.json"], "a file has one target's values"),
        (["--images", "/nonexistent"], "--images"),
        (["--targets", "cpu-vax"], "cpu-vax"),
        (["--devices", "--targets", "opencl"], "not allowed with"),
        (["--devices", "--catalogue"], "--catalogue: it is of CPUs"),
        (["--catalogue", "--targets", "opencl"], "opencl is none of those of this processor, cpu-"),
        (["--devices", "--out", "x.json"], "a file has one target's values"),
    ],
)
def test_options_that_are_refused(arguments, message):
    done = subprocess.run([sys.executable, ROOT / "bench" / "tune.py", *arguments], capture_output=True, text=True)
    assert done.returncode in (1, 2)
    assert message in done.stderr
    assert "Traceback" not in done.stderr
