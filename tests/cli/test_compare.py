"""`halmix compare`: what it says of the targets of this machine. How quick they are is not looked at."""

import json
import os
import re
import signal
import subprocess
import time

import pytest
import test_cli
from PIL import Image
from test_cli import HALMIX, failure, in_new_folder, listed_ops, run  # noqa: F401

QUICK = ["--sizes", "20x12", "--batches", "1", "3", "--seconds", "0"]
CURVES = [(17, 81, 166), (213, 94, 0), (0, 158, 115), (86, 180, 233), (204, 121, 167), (230, 159, 0)]


def listed():
    return json.loads(run("targets", "--json").stdout)["targets"]


def available():
    return [row["name"] for row in listed() if row["available"]]


def is_gpu(name):
    return not name.startswith("cpu-")


def compare(*arguments):
    return json.loads(run("compare", *arguments, "--json", "-").stdout)


def test_all_targets_have_the_same_bytes():
    result = compare(*QUICK, "--sizes", "20x12", "33x7")
    assert [row["name"] for row in result["targets"]] == available()
    assert {row["name"]: row["problem"] for row in result["absent"]} == {
        row["name"]: row["problem"] for row in listed() if not row["available"]
    }
    assert all(row["problem"] for row in result["absent"])
    assert result["reference"] == [name for name in available() if not is_gpu(name)][-1]
    assert result["identical"] is True
    assert [row["of"] for row in result["bytes"]] == [*(name for name, *_ in listed_ops()), "AugMix"]
    per_op = result["bytes"][0]
    for row in result["bytes"]:
        assert row["differing"] == {name: 0 for name in available()}
        # Gray and RGB in equal parts.
        assert row["bytes"] == row["images"] // 4 * (20 * 12 + 33 * 7) * (1 + 3)
        assert row["images"] == per_op["images"] * (2 if row["of"] == "AugMix" else 1) > 100


def test_every_measurement_is_there():
    result = compare(*QUICK, "--sizes", "20x12", "9x9", "20x12", "--batches", "3", "1", "40", "3", "--threads", "2")
    expected = [
        (size, batch, name, cores)
        for size in ("20x12", "9x9")
        for batch in (1, 3, 40)
        for name in available()
        for cores in ([None] if is_gpu(name) else [1, 2])
    ]
    assert [(row["size"], row["batch"], row["target"], row["cores"]) for row in result["speeds"]] == expected
    for row in result["speeds"]:
        assert row["repetitions"] == 1 and row["images_per_second"] > 0
        phases, on_device = row["phases"], row["images_per_second_on_device"]
        assert (phases is None) == (on_device is None) == (not is_gpu(row["target"]))
        if phases:
            seconds = phases["seconds"]
            assert set(seconds) == {"host", "upload", "kernels", "download"} and min(seconds.values()) > 0
            assert on_device == pytest.approx(row["batch"] / (seconds["host"] + seconds["kernels"]))
            assert phases["launches"] >= 2 and phases["passes"] == 1
        assert row["joules_per_image"] is None or row["joules_per_image"] > 0


def test_launches_do_not_grow_with_the_batch():
    """A kernel for all chains, of an op that each of them has once, and one for the mixture."""
    if not any(map(is_gpu, available())):
        pytest.skip("needs a GPU's target")
    result = compare(*QUICK, "--ops", "color", "--depth", "1", "--target", *filter(is_gpu, available()))
    assert {row["phases"]["launches"] for row in result["speeds"]} == {2}


def test_where_a_gpu_overtakes():
    result = compare(*QUICK, "--batches", "1", "4", "16")
    assert [(row["size"], row["target"]) for row in result["overtakes"]] == [
        ("20x12", name) for name in available() if is_gpu(name)
    ]
    for row in result["overtakes"]:
        for member, speed in (("from_host", "images_per_second"), ("on_device", "images_per_second_on_device")):
            slower = [
                batch
                for batch in (1, 4, 16)
                if max(s[speed] for s in result["speeds"] if s["target"] == row["target"] and s["batch"] == batch)
                <= max(s["images_per_second"] for s in result["speeds"] if not is_gpu(s["target"]) and s["batch"] == batch)
            ]
            larger = [batch for batch in (1, 4, 16) if batch > max(slower, default=0)]
            assert row[member] == (larger[0] if larger else None)


def test_opencl():
    if "opencl" not in available():
        pytest.skip("needs an OpenCL driver")
    result = compare(*QUICK, "--target", "opencl")
    (target,) = result["targets"]
    assert target["name"] == "opencl" and target["device"].startswith("opencl:0 (")
    assert result["absent"] == [] and {row["target"] for row in result["speeds"]} == {"opencl"}
    assert {tuple(row["differing"].items()) for row in result["bytes"]} == {(("opencl", 0),)}
    assert result["overtakes"] == []  # there is no CPU's target that it could


@pytest.mark.parametrize("format, size", [("u8", 1), ("f16", 2), ("f32", 4)])
def test_formats(format, size):
    row = compare(*QUICK, "--format", format)["bytes"][-1]
    assert row["bytes"] == row["images"] // 2 * 20 * 12 * 4 * size and not any(row["differing"].values())


def test_a_target_named_twice_is_compared_once():
    name = available()[0]
    result = compare(*QUICK, "--target", name, "auto", name)
    assert [row["name"] for row in result["targets"]] == [name]


def test_policy_reaches_the_plans():
    policy = compare(*QUICK, "--severity", 5, "--width", 2, "--depth", 1, "--ops", "rotate:2,color_original")["policy"]
    assert (policy["severity"], policy["width"], policy["depth"]) == (5, 2, 1)
    assert policy["ops"] == [
        {"op": "rotate", "law": "symmetric", "weight": 2},
        {"op": "color", "law": "original", "weight": 1},
    ]


def test_tables_say_what_the_json_says():
    text = run("compare", *QUICK, "--json", "result.json").stdout.decode()
    result = json.load(open("result.json"))
    assert result["processor"] in text
    for row in result["targets"]:
        assert row["device"] is None or re.search(rf"^{row['name']} +{re.escape(row['device'])}$", text, re.MULTILINE)
    for row in result["absent"]:
        assert re.search(rf"^{row['name']} +not here: {re.escape(row['problem'])}$", text, re.MULTILINE)
    for row in result["bytes"]:
        (line,) = re.findall(rf"^{row['of']} +{row['images']} +(.+)$", text, re.MULTILINE)
        assert line.split() == ["reference" if name == result["reference"] else "identical" for name in row["differing"]]
    rows = [line.split() for line in text.splitlines() if re.match(r" *\d+  (cpu-|cuda|opencl)", line)]
    assert len(rows) == len(result["speeds"])
    for cells, row in zip(rows, result["speeds"]):
        seconds = row["phases"]["seconds"].values() if row["phases"] else [None] * 4
        launches = row["phases"] and row["phases"]["launches"]
        numbers = [row["images_per_second"], row["images_per_second_on_device"], launches]
        numbers += [second and 1000 * second for second in seconds] + [row["joules_per_image"]]
        assert cells[:3] == [str(row["batch"]), row["target"], str(row["cores"] or "-")]
        for cell, value in zip(cells[3:], numbers, strict=True):
            assert cell == "-" if value is None else float(cell) == pytest.approx(value, rel=6e-3)
    for row in result["overtakes"]:
        batches = [row["from_host"] or "never", row["on_device"] or "never"]
        assert re.search(rf"^{row['size']} +{row['target']} +{batches[0]} +{batches[1]}$", text, re.MULTILINE)


@pytest.mark.parametrize("more", [[], ["--batches", "7"], ["--sizes", "4x4", "5x5", "300x2"], ["--threads", "1"]])
def test_plot(more):
    run("compare", *QUICK, *more, "--plot", "plot.png")
    with Image.open("plot.png") as image:
        assert (image.format, image.mode) == ("PNG", "RGB")
        width, height = image.size
        assert image.crop((0, 0, width, 30)).getextrema() == ((255, 255),) * 3
        assert image.crop((width - 12, 0, width, height)).getextrema() == ((255, 255),) * 3
        counts = {colour: count for count, colour in image.getcolors(1 << 24)}
    # A colour for each target.
    assert [counts.get(colour, 0) > 100 for colour in CURVES] == [i < len(available()) for i in range(len(CURVES))]


@pytest.mark.parametrize(
    "arguments, expected",
    [
        ("extra", "extra"),
        ("--target bogus", "this build has auto, cpu-"),
        ("--target", "--target"),
        *((f"--sizes {size}", "--sizes: " + size) for size in ("0x4", "4x0", "4", "4x", "4x4x4", "+4x4", "8193x1", "axb")),
        ("--batches 0", "--batches"),
        ("--batches 65537", "--batches"),
        ("--batches 1.5", "--batches"),
        ("--format png", "--format: png: must be u8, f16 or f32"),
        ("--threads 0", "--threads"),
        ("--seconds -1", "--seconds: must be 0..3600"),
        ("--seconds 3601", "--seconds: must be 0..3600"),
        ("--seconds nan", "--seconds: must be 0..3600"),
        ("--seconds x", "--seconds"),
        ("--severity 11", "severity"),
        ("--ops bogus", "bogus"),
        ("--plot plot.jpg", "--plot: plot.jpg: a plot is a PNG"),
        ("--plot plot", "--plot: plot: a plot is a PNG"),
    ],
)
def test_wrong_command_lines(arguments, expected):
    line = failure("compare", *arguments.split(), code=2)
    assert line.startswith("halmix compare: ") and expected in line, line
    assert os.listdir() == []


def test_absent_target_is_refused_with_the_reason():
    for row in listed():
        if not row["available"]:
            assert row["problem"] in failure("compare", *QUICK, "--target", row["name"], code=2)


def test_files_that_cannot_be_written_are_found_at_once():
    start = time.monotonic()
    for option, name in (("--json", "no/result.json"), ("--plot", "no/plot.png")):
        line = failure("compare", "--seconds", "60", option, name, code=1)
        assert line.startswith(name + ": cannot be written")
    assert time.monotonic() - start < 60


def test_interrupt_leaves_nothing():
    process = subprocess.Popen(
        [HALMIX, "compare", "--sizes", "8x8", "--seconds", "3600", "--json", "result.json", "--plot", "plot.png"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    while len(os.listdir()) < 2:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    output, error = process.communicate(timeout=60)
    assert (process.returncode, output) == (-signal.SIGINT, b"")
    assert error == b"halmix: interrupted; nothing is written\n"
    assert os.listdir() == []


def test_help():
    test_cli.test_help_has_examples_that_run("compare")
