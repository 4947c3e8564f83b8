"""Finds schedule parameters with which halmix is quicker on this machine, proves them, and writes a file that builds
take; docs/tuning.md explains it."""

import argparse
import datetime
import importlib.metadata
import itertools
import json
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import sys

import optuna
import run
import tqdm
import variants
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from tuning import report, search, trials, workload

TUNED = run.ROOT / "schedules" / "tuned"  # what builds take
SIZES = ["32x32", "224x224", "512x512"]
SEVERITIES = list(range(1, 11))
PROOF_IMAGES = {"32x32": 1000, "224x224": 200, "512x512": 100}  # others: 200
PROOF_PROCESSES, PROOF_ROUNDS = 6, 2
PROOF_SEVERITIES = (3, 10)  # of a workload that has more
LOSS = 0.995  # what no size and severity may lose
PROVING = ("halmix_bench", "halmix_command", "chain_server", "test_pipelines", "test_reference")  # what it takes
PROVING_TESTS = "^(pipelines|reference|composer)$"


def seconds(text):
    """Of such as 90s, 15m, 2h."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", text)
    if not found:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time such as 90s, 15m or 2h")
    return float(found[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[found[2]]


def size(text):
    if not re.fullmatch(r"[1-9]\d{0,4}x[1-9]\d{0,4}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a size such as 224x224")
    return text


class Build:
    """A build of one target, for trials and for their proof."""

    def __init__(self, target, folder):
        self.target, self.folder = target, folder

    def make(self, tuning, *targets):
        """Builds it with a value of HALMIX_TUNING."""
        cmake = run.ROOT / ".venv" / "bin" / "cmake"
        options = {
            "CMAKE_BUILD_TYPE": "Release",
            "CMAKE_MAKE_PROGRAM": run.ROOT / ".venv" / "bin" / "ninja",
            "HALMIX_BUILD_TARGETS": self.target,
            "HALMIX_BUILD_PYTHON": "OFF",
            "HALMIX_TUNING": tuning,
        }
        configure = [cmake, "-S", run.ROOT, "-B", self.folder, "-G", "Ninja"]
        run_quietly([*configure, *(f"-D{name}={value}" for name, value in options.items())])
        run_quietly([cmake, "--build", self.folder, "--target", *(targets or ["all"])])

    def passes_tests(self):
        """Of pipelines, and against Pillow and Composer; what fails is shown."""
        command = [run.ROOT / ".venv" / "bin" / "ctest", "--test-dir", self.folder, "--output-on-failure"]
        return subprocess.run([*command, "--tests-regex", PROVING_TESTS], stdout=sys.stderr).returncode == 0

    @property
    def objects(self):
        return self.folder / "pipelines"


def run_quietly(command, **options):
    """Its output is only shown if it fails."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)
    if done.returncode:
        sys.stderr.write(done.stdout)
        sys.exit(f"tune: this failed, see above: {' '.join(map(str, command))}")


def say(text):
    print(f"tune: {text}", file=sys.stderr)


def best_target():
    """The first of the catalogue that this processor has all features for."""
    rows = re.search(
        r"HALMIX_CPU_TARGETS(.*?)\)", (run.ROOT / "generators" / "catalogue.cmake").read_text(), re.DOTALL
    )[1]
    flags = re.search(r"^flags\s*:(.*)$", pathlib.Path("/proc/cpuinfo").read_text(), re.MULTILINE)[1]
    there = set(flags.replace("_", "").split())
    for name, _, needs, *_ in (row.split(" | ") for row in re.findall(r'"(.*)"', rows)):
        if set(needs.replace(".", "").split()) <= there:
            return name
    sys.exit("tune: this processor has no target; see docs/targets.md")


def pipelines_of(bench, cases, storage):
    shares = workload.shares(cases)
    for name in sorted(shares, key=shares.get, reverse=True):
        space = search.parameters(bench.build, name, bench.target)
        own = [case for case in cases if case.pipeline == name]
        if space:
            made = bench.build / "pipelines" / f"{search.function(name, bench.target)}.o"
            yield search.Pipeline(name, shares[name], own, space, made, storage)


def prove(bench, before, after, sizes, severities):
    """AugMix of both builds, image by image and in turns: (size, severity) -> the gain in each of some processes."""
    found = {}
    content = next(iter(bench.images.weights))
    for _ in range(PROOF_PROCESSES):
        with bench.start("before", before) as first, bench.start("after", after) as second:
            for name, severity in itertools.product(sizes, severities):
                width, height = map(int, name.split("x"))
                members = {
                    "policy": {**run.POLICY, "severity": severity},
                    "warm_up": run.WARM_UP,
                    "images": PROOF_IMAGES.get(name, 200),
                }
                us = {first: [], second: []}
                for worker in (first, second, second, first) * PROOF_ROUNDS:
                    pixels = bench.images.bytes(name, content)
                    reply = worker.request(bench.core, "augmix", pixels, width=width, height=height, **members)
                    us[worker].append(reply["us"])
                quickest = [[min(times) for times in zip(*us[worker])] for worker in (first, second)]
                gain = sum(quickest[0]) / sum(quickest[1])
                found.setdefault((name, severity), []).append(gain)
    return found


def is_gain(proof):
    """Of all sizes and severities together, with 95 % confidence, and of none a loss."""
    _, low = trials.lower_bound([statistics.mean(gains) for gains in zip(*proof.values())])
    return low > 1 and min(map(statistics.mean, proof.values())) >= LOSS


class Tuning:
    """What is known of one target's search; kept in a folder from which it goes on if it was stopped."""

    def __init__(self, target, options):
        self.target, self.options = target, options
        self.folder = run.ROOT / "out" / "tune" / target
        self.build = Build(target, run.ROOT / "build" / "tune" / target)
        self.images = workload.Images(options.images)
        if not options.resume:
            shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.storage = JournalStorage(JournalFileBackend(str(self.folder / "journal.log")))
        self.bench = trials.Bench(self.build.folder, target, options.core, self.images, self.folder)

    def workload(self):
        """Measured once, so that a search that goes on has the same."""
        log = optuna.create_study(storage=self.storage, study_name="workload", load_if_exists=True)
        asked = {
            "sizes": self.options.sizes,
            "severities": self.options.severity,
            "images": sorted(self.images.weights),
        }
        if log.user_attrs.get("asked", asked) != asked:
            sys.exit(f"tune: --resume: the search in {self.folder} is for another workload; give the same options")
        if "cases" not in log.user_attrs:
            with self.bench.start("incumbent", self.folder / "before") as worker:
                found = workload.cases(worker, self.bench.core, self.images, asked["sizes"], asked["severities"])
            log.set_user_attr("asked", asked)
            log.set_user_attr("cases", found)
        cases = [workload.Case(*case) for case in log.user_attrs["cases"]]
        return asked, [case._replace(ops=tuple(map(tuple, case.ops))) for case in cases]

    def run(self):
        say(f"{self.target}: building")
        self.build.make("shipped", "halmix_bench")
        shutil.copy2(self.build.folder / "halmix_bench", self.folder / "before")
        asked, cases = self.workload()
        pipelines = list(pipelines_of(self.bench, cases, self.storage))
        found = search.Search(self.bench, pipelines, self.storage)
        budget = self.options.budget
        bar_format = "tune: {desc} |{bar}| {n:.0f}/{total:.0f} s, {remaining} left"
        with tqdm.tqdm(total=budget, desc=self.target, bar_format=bar_format, initial=found.spent) as bar:

            def show(search):
                bar.set_description(
                    f"{self.target}: {search.trials} trials, {len(search.accepted)} accepted, gain {search.gain:.3f}"
                )
                bar.update(min(search.spent, budget) - bar.n)

            found.run(budget, show)

        result = {
            "target": self.target,
            "pipelines": self.merged(found.values),
            "found": {
                "date": datetime.date.today().isoformat(),
                "processor": run.processor(),
                "halmix": run.commit(),
                "halide": importlib.metadata.version("halide"),
                "workload": {**asked, "contents": self.images.weights, "shares": workload.shares(cases)},
                "budget": budget,
                "spent": round(found.spent),
                "trials": found.trials,
                "accepted": found.accepted,
            },
        }
        if found.accepted:
            say(f"{self.target}: proving what was found: tests, then AugMix before and after")
            result["found"]["proof"] = self.prove(result, asked)
        return self.finish(result, found)

    def merged(self, values):
        """With what builds took so far."""
        shipped = TUNED / f"{self.target}.json"
        pipelines = json.loads(shipped.read_text())["pipelines"] if shipped.exists() else {}
        for name, changed in values.items():
            pipelines[name] = {**pipelines.get(name, {}), **changed}
        return pipelines

    def prove(self, result, asked):
        candidate = self.folder / "tuned.json"
        candidate.write_text(json.dumps(result))
        self.build.make(candidate, *PROVING)
        if not self.build.passes_tests():
            return {}
        severities = [n for n in PROOF_SEVERITIES if n in asked["severities"]] or asked["severities"]
        proof = prove(
            self.bench, self.folder / "before", self.build.folder / "halmix_bench", asked["sizes"], severities
        )
        return {f"{name}, severity {severity}": gains for (name, severity), gains in proof.items()}

    def finish(self, result, found):
        """Writes the report, and the file if it is proved."""
        proof = result["found"].get("proof")
        proved = bool(proof) and is_gain(proof)
        text = report.text(result, found.pipelines.values(), proved)
        print(text)
        (self.folder / "report.md").write_text(text + "\n")
        files = [self.folder / "report.md"]
        trials_file = self.folder / "trials.json"
        trials_file.write_text(json.dumps(report.history(found.pipelines.values())))
        python = run.VENVS / "plot" / "bin" / "python3"
        if python.exists():
            files.append(self.folder / "search.png")
            subprocess.run([python, run.ROOT / "bench" / "tuning" / "plot.py", trials_file, files[-1]], check=True)
        else:
            say("no plot; scripts/bench --install-peers plot installs what draws it")
        if proved:
            out = self.options.out or TUNED / f"{self.target}.json"
            out.parent.mkdir(parents=True, exist_ok=True)
            out.write_text(json.dumps(result, indent=1) + "\n")
            files.append(out)
        say(
            f"{self.target}: {'a gain' if proved else 'nothing found that is a gain'}; written: {', '.join(map(str, files))}"
        )


def main():
    cores = frozenset(os.sched_getaffinity(0))
    parser = argparse.ArgumentParser(prog="scripts/tune", description=__doc__)
    add = parser.add_argument
    add("--targets", nargs="+", metavar="NAME", help="what to tune for (the best of this machine)")
    add("--sizes", nargs="+", type=size, default=SIZES, metavar="WxH", help="of images (32x32 224x224 512x512)")
    add("--severity", nargs="+", type=int, choices=SEVERITIES, default=SEVERITIES, metavar="N", help="(1 to 10)")
    add(
        "--images",
        type=pathlib.Path,
        default=workload.default_photo(),
        metavar="DIR",
        help="a folder with photos of yours (a photo, noise, a flat and a posterised image)",
    )
    add(
        "--budget",
        type=seconds,
        default=900.0,
        metavar="TIME",
        help="of the search for each target, such as 90s, 15m, 2h (15m); building and the proof come on top",
    )
    add("--core", type=int, default=max(cores), choices=cores, help="that times are taken on (%(default)s)")
    add("--resume", action="store_true", help="go on with a search that was stopped")
    add(
        "--out",
        type=pathlib.Path,
        metavar="FILE",
        help="for one target (schedules/tuned/TARGET.json, which builds take)",
    )
    options = parser.parse_args()
    targets = options.targets or [best_target()]
    if options.out and len(targets) > 1:
        parser.error("--out: a file has one target's values; give one of --targets")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        for target in targets:
            Tuning(target, options).run()
    except variants.Failure as failure:
        sys.exit(f"tune: {failure}")
    except KeyboardInterrupt:
        sys.exit("tune: stopped; --resume goes on from here")


if __name__ == "__main__":
    main()
