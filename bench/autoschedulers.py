"""Halide's autoschedulers beside our schedules: what compiles, has the right bytes, and how many times as long as ours
it takes; docs/tuning.md explains it."""

import argparse
import datetime
import itertools
import json
import os
import pathlib
import statistics
import sys
import tempfile
import time

from PIL import Image

import run
import variants

BUILD = run.ROOT / "build" / "single"
SIZES = ("32x32", "224x224", "512x512")
BLOCKS = {"blocks": 3, "block_us": 1000}
TIMED = 2  # values of an op; all of its examples are checked

AUTOSCHEDULERS = ("Mullapudi2016", "Li2018", "Adams2019")
GPU_AUTOSCHEDULER = "Anderson2021"
ONE_THREAD = {"autoscheduler.parallelism": 1}  # as engines run a pipeline, whatever it asks for

PLAIN, OURS = "plain", "as ours"
# What an autoscheduler is given: each pixel by itself, as GPUs have it, without extern stages; or what our own schedule
# is for.
FORMS = {PLAIN: {"processor": None, "rows": None}, OURS: {}}


def examples(ours, photo, core):
    """Of each kind and each of its ops, the members of requests with the op's examples. The pipelines that are run say
    which kind an op is of."""
    kinds = {}
    for op in ours.about["ops"]:
        for value in op["examples"]:
            call = {"ops": [{"op": op["op"], "value": value}]}
            size = {"width": photo.width, "height": photo.height}
            reply = ours.request(core, "chain", photo.tobytes(), **call, **size, blocks=1, block_us=1)
            (pipeline,) = reply["pipelines"]
            kinds.setdefault(pipeline.removesuffix("_c3"), {}).setdefault(op["op"], []).append(call)
    return kinds | {"mix": {"mix": [{}]}}


def generate(function, parameters, name, directory):
    """A pipeline of the build, by an autoscheduler."""
    plugin = variants.autoscheduler(BUILD, name)
    return variants.generate(BUILD, function, parameters | {"autoscheduler": name}, directory, plugin)


def check(candidate, ops, size, photo, core):
    """A Failure unless all bytes are right."""
    width, height = map(int, size.split("x"))
    pixels = photo.resize((width, height), Image.Resampling.LANCZOS).tobytes()
    for call in itertools.chain(*ops.values()):
        reply = candidate.request(core, "check", pixels, width=width, height=height, **call)
        if reply["differing"]:
            raise variants.Failure(f"{reply['differing']} of {len(pixels)} bytes are wrong")


def ratio(ours, candidate, ops, size, photo, options):
    """How many times as long as ours it takes: the quickest of both, for what disturbs only ever adds; the mean of the
    values."""
    core = frozenset({options.core})
    jobs = [
        run.Job("mix" if op == "mix" else "chain", size, f"{op} {number}", BLOCKS | call, core)
        for op, calls in ops.items()
        for number, call in enumerate(calls[:TIMED])
    ]
    replies = run.measure([ours, candidate], photo, jobs, options.rounds)

    def quickest(job, worker):
        return min(min(reply["us"]) for reply in replies[job.kind, size, job.name, worker.name])

    return statistics.geometric_mean(quickest(job, candidate) / quickest(job, ours) for job in jobs)


def compare(ours, program, ops, size, photo, options, limit=20):
    """What comes of a program: {"ratio": ...} or {"failure": ...}."""
    core = frozenset({options.core})
    try:
        with variants.Candidate("candidate", program, ours.about["target"], core, limit) as candidate:
            check(candidate, ops, size, photo, core)
            return {"ratio": ratio(ours, candidate, ops, size, photo, options)}
    except variants.Failure as failure:
        return {"failure": str(failure)}


def on_cpu(ours, kinds, photo, options):
    """All measurements on a target, which `ours` runs on."""
    target = ours.about["target"]
    for (kind, ops), form, name in itertools.product(kinds.items(), FORMS, AUTOSCHEDULERS):
        if kind == "mix" and form == OURS:
            continue  # one extern stage
        function = variants.function(kind if kind == "mix" else f"{kind}_c3", target)
        row = {"target": target, "kind": kind, "form": form, "autoscheduler": name}
        print(f"autoschedulers: {target}: {kind}, {form}, {name}", file=sys.stderr)
        with tempfile.TemporaryDirectory() as directory:
            try:
                made = generate(function, FORMS[form] | ONE_THREAD, name, directory)
                program = variants.link(BUILD, [made], directory)
                found = [compare(ours, program, ops, size, photo, options) for size in options.sizes]
            except variants.Failure as failure:
                found = [{"failure": str(failure)}] * len(options.sizes)
        yield from (row | {"size": size} | result for size, result in zip(options.sizes, found))


def on_gpu(kinds):
    """Whether Halide compiles a kind for CUDA, if the build does."""
    for kind in kinds:
        function = variants.function(f"{kind}_c3", "cuda")
        if not (BUILD / "pipelines" / f"{function}.o").exists():
            continue
        row = {"target": "cuda", "kind": kind, "form": PLAIN, "autoscheduler": GPU_AUTOSCHEDULER}
        print(f"autoschedulers: cuda: {kind}, {GPU_AUTOSCHEDULER}", file=sys.stderr)
        start = time.monotonic()
        with tempfile.TemporaryDirectory() as directory:
            try:
                generate(function, {}, GPU_AUTOSCHEDULER, directory)
                yield row | {"seconds": time.monotonic() - start}
            except variants.Failure as failure:
                yield row | {"failure": str(failure)}


def text(results):
    """The tables, and below them what the numbers in brackets stand for."""
    tables, notes = {}, {}  # target -> (kind, form) -> autoscheduler -> one for each size; failure -> number
    for row in results["measurements"]:
        rows = tables.setdefault(row["target"], {}).setdefault((row["kind"], row["form"]), {})
        rows.setdefault(row["autoscheduler"], []).append(row)

    def outcome(row):
        if "failure" in row:
            return f"[{notes.setdefault(row['failure'], len(notes) + 1)}]"
        return f"{row['ratio']:.1f}" if "ratio" in row else f"compiled in {row['seconds']:.0f} s"

    def cell(rows):
        outcomes = [outcome(row) for row in rows]
        return outcomes[0] if len({row.get("failure", id(row)) for row in rows}) == 1 else " / ".join(outcomes)

    lines = [
        "# Halide's autoschedulers",
        "",
        f"{results['date']}, {results['processor']}, load {results['load']:.1f}, halmix {results['commit']}, "
        f"{results['image']}, {results['rounds']} rounds.",
        "",
        f"How many times as long as with our schedule it takes at {' / '.join(results['sizes'])}. All bytes are right",
        "where there is a time; a number in brackets stands for what went wrong, below the tables.",
    ]
    for target, rows in tables.items():
        names = list(next(iter(rows.values())))
        lines += ["", f"## {target}", "", f"| kind | form | {' | '.join(names)} |"]
        lines.append("| --- | --- |" + " ---: |" * len(names))
        for (kind, form), found in rows.items():
            lines.append(f"| {kind} | {form} | {' | '.join(cell(found[name]) for name in names)} |")
    return "\n".join([*lines, "", *(f"{number}. {failure}" for failure, number in notes.items())])


def main():
    cores = frozenset(os.sched_getaffinity(0))
    parser = argparse.ArgumentParser(
        prog="scripts/autoschedulers", description=__doc__, parents=[run.measuring_options(cores, rounds=5)]
    )
    parser.add_argument("--targets", nargs="+", metavar="NAME", help="CPUs to make pipelines for (all of this machine)")
    parser.add_argument(
        "--sizes", nargs="+", type=run.size, default=SIZES, metavar="WxH", help=f"of images ({' '.join(SIZES)})"
    )
    parser.add_argument(
        "--out",
        type=pathlib.Path,
        default=run.ROOT / "out" / "autoschedulers.md",
        metavar="FILE",
        help="for the table; what is behind it goes to a file beside it that ends in .json (out/autoschedulers.md)",
    )
    options = parser.parse_args()
    photo = Image.open(options.image).convert("RGB")
    core = frozenset({options.core})
    try:
        best = run.start_halmix("ours", BUILD.name, None, core)
        targets = options.targets or best.about["targets"]
        workers = [run.start_halmix("ours", BUILD.name, target, core) for target in targets]
    except RuntimeError:
        sys.exit(1)  # it has said why
    kinds = examples(best, photo, core)
    results = {
        "date": datetime.date.today().isoformat(),
        "processor": run.processor(),
        "core": options.core,
        "load": os.getloadavg()[0],
        "commit": run.commit(),
        "image": options.image.name,
        "rounds": options.rounds,
        "sizes": list(options.sizes),
    }
    on_cpus = [row for ours in workers for row in on_cpu(ours, kinds, photo, options)]
    results["measurements"] = [*on_cpus, *on_gpu(kinds)]
    for worker in (best, *workers):
        worker.end()
    print(text(results))
    options.out.parent.mkdir(exist_ok=True)
    options.out.write_text(text(results) + "\n")
    data = options.out.with_suffix(".json")
    data.write_text(json.dumps(results, indent=1) + "\n")
    print("autoschedulers: written:", options.out, data, file=sys.stderr)


if __name__ == "__main__":
    main()
