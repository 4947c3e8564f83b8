"""Finds the pairs of kinds that pay as one pipeline and writes the list of them; docs/benchmarks.md explains it."""

import argparse
import datetime
import itertools
import os
import pathlib
import statistics
import sys

from PIL import Image

import run

SIZES = ("32x32", "224x224", "512x512")
BLOCKS = {"blocks": 5, "block_us": 1000}
HIGHEST, LOWEST = 1.05, 0.99  # a pair that has at least these, at one size and at each, in both halves of a run, pays

HEADER = """\
# The pairs that pay as one pipeline, for HALMIX_CATALOGUE=measured. Written by scripts/choose_sequences: {date}, halmix
# {commit}, {targets} of {processor}.
#
# Behind each stands how many times as long it takes step by step: the geometric mean, and the means over these targets
# at {sizes}. It pays if one of these is at least {highest} and none is below {lowest}, in either half of the rounds as in
# all: noise seldom chooses a pair twice.

"""


def jobs(ops, core):
    """Two chains of every pair of ops, with the two usual values of each."""
    calls = [[f"{op['op']}={value}" for value in op["examples"][:2]] for op in ops]
    for size, first, second in itertools.product(SIZES, calls, calls):
        for text in dict.fromkeys((f"{first[0]},{second[1]}", f"{first[1]},{second[0]}")):
            yield run.Job("chain", size, text, {"ops": run.ops_of(text), **BLOCKS}, core)


def ratios(replies, workers, rounds=slice(None)):
    """Of every pair and at each size how many times as long it takes step by step as fused, the mean over the targets.
    The names of the pipelines that were run say which pair a chain is."""
    times = {}  # pair, size, target -> of each chain, both times: the quickest, for what disturbs only ever adds
    asked = dict.fromkeys(key[:3] for key in replies)
    for (kind, size, name), (target, builds) in itertools.product(asked, workers.items()):
        both = [replies[kind, size, name, worker.name] for worker in builds]
        single, fused = (replied[0]["pipelines"] for replied in both)
        if len(fused) < len(single):
            pair = "+".join(pipeline.removesuffix("_c3") for pipeline in single)
            quickest = [min(min(reply["us"]) for reply in replied[rounds]) for replied in both]
            times.setdefault((pair, size, target), []).append(quickest)
    at_targets = {}
    for (pair, size, _), chains in times.items():
        single, fused = map(sum, zip(*chains))
        at_targets.setdefault(pair, {}).setdefault(size, []).append(single / fused)
    return {pair: [statistics.geometric_mean(at_targets[pair][size]) for size in SIZES] for pair in at_targets}


def targets(core):
    """All that halmix can run on here."""
    worker = run.start_halmix("single", "single", None, core)
    worker.end()
    return worker.about["targets"]


def start(target, core):
    return [run.start_halmix(f"{preset} {target}", preset, target, core) for preset in ("single", "pairs")]


def pays(at_sizes):
    return max(at_sizes) >= HIGHEST and min(at_sizes) >= LOWEST


def listing(found, halves, **header):
    """The list, best first, with those that do not pay as comments; and how many do."""
    lines = {True: [], False: []}
    width = max(map(len, found))
    for pair in sorted(found, key=lambda pair: statistics.geometric_mean(found[pair]), reverse=True):
        mean = statistics.geometric_mean(found[pair])
        at_sizes = " ".join(f"{ratio:.2f}" for ratio in found[pair])
        paying = all(pays(part[pair]) for part in (found, *halves))
        lines[paying].append(f"{pair:<{width}}  # {mean:.3f}: {at_sizes}\n")
    header = HEADER.format(sizes=", ".join(SIZES), highest=HIGHEST, lowest=LOWEST, **header)
    text = [header, *lines[True], "\n# These do not:\n", *(f"# {line}" for line in lines[False])]
    return "".join(text), len(lines[True])


def main():
    cores = frozenset(os.sched_getaffinity(0))
    parser = argparse.ArgumentParser(
        prog="scripts/choose_sequences", description=__doc__, parents=[run.measuring_options(cores, rounds=8)]
    )
    parser.add_argument("--targets", nargs="+", metavar="NAME", help="for which it is to pay (all of this machine)")
    parser.add_argument(
        "--out",
        type=pathlib.Path,
        default=run.ROOT / "generators" / "measured_sequences.txt",
        metavar="FILE",
        help="the list to write (generators/measured_sequences.txt, which is the default catalogue)",
    )
    options = parser.parse_args()
    if options.rounds < 2:
        parser.error("--rounds: at least 2; a pair must pay in either half of them")
    core = frozenset({options.core})

    try:
        workers = {target: start(target, core) for target in options.targets or targets(core)}
    except RuntimeError:
        sys.exit(1)  # it has said why
    photo = Image.open(options.image).convert("RGB")
    single, pairs = next(iter(workers.values()))
    all_jobs = list(jobs(pairs.about["ops"], core))
    replies = run.measure(list(itertools.chain(*workers.values())), photo, all_jobs, options.rounds)
    for worker in itertools.chain(*workers.values()):
        worker.end()
    found = ratios(replies, workers)
    compiled = pairs.about["versions"]["pipelines"] - single.about["versions"]["pipelines"]
    if len(found) != compiled:
        sys.exit(f"choose_sequences: {compiled} pairs are compiled, {len(found)} were run: the ops' examples lack some")
    half = options.rounds // 2
    text, paying = listing(
        found,
        [ratios(replies, workers, part) for part in (slice(half), slice(half, None))],
        date=datetime.date.today().isoformat(),
        commit=run.commit(),
        targets=" and ".join(workers),
        processor=run.processor(),
    )
    options.out.write_text(text)
    print(f"choose_sequences: {paying} of {len(found)} pairs pay; written: {options.out}", file=sys.stderr)


if __name__ == "__main__":
    main()
