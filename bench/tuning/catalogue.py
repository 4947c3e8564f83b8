"""Finds the pairs of kinds that pay as one pipeline: what HALMIX_CATALOGUE=measured fuses."""

import datetime
import re
import shutil
import statistics

import numpy as np
import run
import tqdm
from tuning import builds, proof, say, trials, workload

LIST = run.ROOT / "generators" / "measured_sequences.txt"
HEADER = """\
# The pairs that pay as one pipeline, for HALMIX_CATALOGUE=measured. Written by scripts/tune --catalogue: {date}, halmix
# {commit}, {targets} of {processor}.
#
# Behind each stands how many times as long it takes step by step: the mean, what it is at least in 95 % of such
# comparisons, and the least of any call. It pays if these are at least {gain} and {slower}; docs/tuning.md tells more.

"""


def sequence(pipeline):
    """Such as shear_x+tone, of shear_x_tone_c3."""
    longest = "|".join(sorted(builds.kinds(), key=len, reverse=True))
    return "+".join(re.findall(rf"({longest})(?:_|$)", re.sub(r"_c\d$", "", pipeline)))


def compare(targets, options, images, folder):
    """pair -> what was shown, of all targets together."""
    single, pairs = (builds.Build(f"catalogue-{name}", targets) for name in ("single", "pairs"))
    for build, name in ((single, "single"), (pairs, "pairs")):
        build.make("halmix_bench", CATALOGUE=name)
    cases, times = [], []
    for target in targets:
        bench = trials.Bench(single.folder, target, options.core, images, folder)
        with bench.start("pairs", pairs.program) as worker:
            found = workload.cases(worker, bench.core, images, options.sizes, options.severity)
        fused = [case for case in found if "+" in sequence(case.pipeline)]
        with tqdm.tqdm(total=trials.PROCESSES, desc=f"tune: {target}, {len(fused)} calls of pairs", unit="part") as bar:
            measured = (fused, trials.PROCESSES, trials.ROUNDS)
            times.append(bench.times(single.program, pairs.program, *measured, show=bar.update))
        cases += fused
    times = np.concatenate(times, axis=2)
    places = {}
    for place, case in enumerate(cases):
        places.setdefault(sequence(case.pipeline), []).append(place)
    return {pair: trials.judge(times[:, :, at], [cases[i] for i in at]) for pair, at in places.items()}


def listing(found, **header):
    """Those that pay, best first, and the others as comments."""
    lines = {True: [], False: []}
    width = max(map(len, found))
    for pair in sorted(found, key=lambda pair: found[pair].gain, reverse=True):
        verdict = found[pair]
        numbers = f"{verdict.gain:.3f} {verdict.low:.3f} {verdict.slowest:.2f}"
        lines[verdict.accepted].append(f"{pair:<{width}}  # {numbers}\n")
    header = HEADER.format(gain=trials.GAIN, slower=trials.SLOWER, **header)
    return "".join([header, *lines[True], "\n# These do not:\n", *(f"# {line}" for line in lines[False])])


def prove(targets, options, images, folder):
    """Whether AugMix is quicker with the new list than with the one that builds take, on all targets together."""
    build = builds.Build("catalogue", targets)
    build.make("halmix_bench", CATALOGUE="measured")
    before = folder / "before"
    shutil.copy2(build.program, before)
    build.make(*builds.PROVING, CATALOGUE=folder / LIST.name)
    if not build.passes_tests():
        raise RuntimeError("tests fail with these pairs, see above; please report it")
    asked = {"sizes": options.sizes, "severities": options.severity}
    measured = {}
    for target in targets:
        bench = trials.Bench(build.folder, target, options.core, images, folder)
        for place, gains in proof.measure(bench, before, build.program, asked).items():
            measured[target, *place] = gains
    for place, gains in measured.items():
        print(*place, f"{statistics.mean(gains):.3f}x", f"at least {trials.lower_bound(gains)[1]:.3f}x")
    return proof.is_gain(measured)


def find(targets, options):
    folder = run.ROOT / "out" / "tune" / "catalogue"
    folder.mkdir(parents=True, exist_ok=True)
    images = workload.Images(options.images)
    images.weights = dict.fromkeys(list(images.weights)[:1], 1.0)  # what content does, each kind does by itself as well
    found = compare(targets, options, images, folder)
    origin = {
        "date": datetime.date.today().isoformat(),
        "commit": run.commit(),
        "targets": " and ".join(targets),
        "processor": run.processor(),
    }
    (folder / LIST.name).write_text(listing(found, **origin))
    paying = sum(verdict.accepted for verdict in found.values())
    say(f"{paying} of {len(found)} pairs pay: {folder / LIST.name}")
    if prove(targets, options, images, folder):
        out = options.out or LIST
        shutil.copy2(folder / LIST.name, out)
        say(f"AugMix is quicker with these; written: {out}")
    else:
        say("AugMix is no quicker with these than with those that builds take; nothing else is written")
