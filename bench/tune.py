"""Finds schedule parameters with which halmix is quicker on this machine, proves them, and writes a file that builds
take; docs/tuning.md explains it."""

import argparse
import datetime
import importlib.metadata
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

import optuna
import run
import tqdm
import variants
from tuning import builds, catalogue, proof, report, say, search, trials, workload

TUNED = run.ROOT / "schedules" / "tuned"  # what builds take
SIZES = ["32x32", "224x224", "512x512"]
SEVERITIES = list(range(1, 11))


def seconds(text):
    """Of such as 90s, 15m, 2h."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", text)
    if not found:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time such as 90s, 15m or 2h")
    return float(found[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[found[2]]


def severity(text):
    if text not in map(str, SEVERITIES):
        raise argparse.ArgumentTypeError(f"{text!r} is not a severity from 1 to 10")
    return int(text)


def pipelines_of(bench, cases, storage):
    shares = workload.shares(cases)
    for name in sorted(shares, key=shares.get, reverse=True):
        space = search.parameters(bench.build, name, bench.target)
        own = [case for case in cases if case.pipeline == name]
        if space:
            made = bench.build / "pipelines" / f"{variants.function(name, bench.target)}.o"
            yield search.Pipeline(name, shares[name], own, space, made, storage)


class Tuning:
    """What is known of one target's search; kept in a folder from which it goes on if it was stopped."""

    def __init__(self, target, options, build, processor):
        self.target, self.options, self.build, self.processor = target, options, build, processor
        self.folder = run.ROOT / "out" / "tune" / target
        self.images = workload.Images(options.images)
        if not options.resume:
            shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.storage = search.journal(self.folder)
        self.bench = trials.Bench(self.build.folder, target, options.core, self.images, self.folder)

    def workload(self):
        """Measured once, so that a search that goes on has the same."""
        log = optuna.create_study(storage=self.storage, study_name="workload", load_if_exists=True)
        asked = {
            "halmix": run.commit(),
            "sizes": self.options.sizes,
            "severities": self.options.severity,
            "contents": self.images.weights,
        }
        for name, was in log.user_attrs.get("asked", asked).items():
            if was != asked[name]:
                sys.exit(f"tune: --resume: the search in {self.folder} was for other {name}: {was}, not {asked[name]}")
        if "cases" not in log.user_attrs:
            with self.bench.start("incumbent", self.folder / "before") as worker:
                found = workload.cases(worker, self.bench.core, self.images, asked["sizes"], asked["severities"])
            log.set_user_attr("asked", asked)
            log.set_user_attr("cases", found)
        cases = [workload.Case(*case) for case in log.user_attrs["cases"]]
        return asked, [case._replace(ops=tuple(map(tuple, case.ops))) for case in cases]

    def run(self):
        say(f"{self.target}: building")
        self.build.make("halmix_bench", TUNING="shipped")
        shutil.copy2(self.build.program, self.folder / "before")
        asked, cases = self.workload()
        pipelines = list(pipelines_of(self.bench, cases, self.storage))
        found = search.Search(self.bench, pipelines, self.storage)
        budget = self.options.budget
        bar_format = "tune: {desc} |{bar}| {n:.0f}/{total:.0f} s, {remaining} left"
        with tqdm.tqdm(total=budget, desc=self.target, bar_format=bar_format, initial=min(found.spent, budget)) as bar:

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
                "processor": self.processor,
                "halide": importlib.metadata.version("halide"),
                "workload": {**asked, "shares": workload.shares(cases)},
                "budget": budget,
                "spent": round(found.spent),
                "trials": found.trials,
                "accepted": found.accepted,
            },
        }
        if found.accepted:
            say(f"{self.target}: proving what was found: tests, then AugMix before and after")
            result["found"]["proof"] = self.prove(result, asked)
        self.finish(result, found)

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
        self.build.make(*builds.PROVING, TUNING=candidate)
        if not self.build.passes_tests():
            return {}
        measured = proof.measure(self.bench, self.folder / "before", self.build.program, asked)
        return {f"{size}, severity {severity}": gains for (size, severity), gains in measured.items()}

    def finish(self, result, found):
        """Writes the report, and the file if it is proved."""
        proved = proof.is_gain(result["found"].get("proof", {}))
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


def tunings(targets, options):
    """One for each of the targets; of GPUs' those that this machine has, if not all of them were named."""
    asked = [target for target in targets if target in builds.gpu_targets()]
    found = {}
    if asked:
        say("looking for GPUs, with a build for CPUs if there is none yet")
        devices = builds.devices()
        found = {target: devices[target]["names"][0] for target in asked if devices[target]["names"]}
        lacking = [f"target {target}: {devices[target]['problem']}" for target in asked if target not in found]
        if lacking and (options.targets or not found):
            raise RuntimeError("; ".join(lacking))
    for target in targets:
        if target in found:
            yield Tuning(target, options, builds.for_gpus(found), found[target])
        elif target not in asked:
            yield Tuning(target, options, builds.Build(target, [target]), run.processor())


def main():
    cores = frozenset(os.sched_getaffinity(0))
    parser = argparse.ArgumentParser(prog="scripts/tune", description=__doc__)
    add = parser.add_argument
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--targets", nargs="+", metavar="NAME", help="what to tune for (the best of this processor)")
    which.add_argument(
        "--devices", action="store_true", help="tune for all GPU targets that this machine has a device of"
    )
    add("--sizes", nargs="+", type=run.size, default=SIZES, metavar="WxH", help="of images (32x32 224x224 512x512)")
    add("--severity", nargs="+", type=severity, default=SEVERITIES, metavar="N", help="(1 to 10)")
    add(
        "--images",
        type=pathlib.Path,
        default=run.PHOTO,
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
    add(
        "--catalogue",
        action="store_true",
        help="find the pairs of ops that pay as one pipeline, on all of the targets together (all CPUs' of this machine)",
    )
    add("--resume", action="store_true", help="go on with a search that was stopped")
    add(
        "--out",
        type=pathlib.Path,
        metavar="FILE",
        help="to write (schedules/tuned/TARGET.json or generators/measured_sequences.txt, which builds take)",
    )
    options = parser.parse_args()
    cpus, gpus = builds.available_targets(), builds.gpu_targets()
    if options.catalogue and options.devices:
        parser.error("--catalogue: it is of CPUs; leave out --devices")
    of_gpus = [] if options.catalogue else gpus
    for target in options.targets or []:
        if target not in cpus + of_gpus:
            others = f" or of GPUs, {', '.join(of_gpus)}" if of_gpus else ""
            parser.error(f"--targets: {target} is none of those of this processor, {', '.join(cpus)}{others}")
    if options.targets:
        targets = options.targets
    elif options.devices:
        targets = gpus
    else:
        targets = cpus if options.catalogue else cpus[:1]
    if options.out and len(targets) > 1 and not options.catalogue:
        parser.error("--out: a file has one target's values; give one of --targets")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        if options.catalogue:
            catalogue.find(targets, options)
        else:
            for tuning in tunings(targets, options):
                tuning.run()
    except (RuntimeError, ValueError, OSError) as error:
        sys.exit(f"tune: {error}")
    except KeyboardInterrupt:
        sys.exit("tune: stopped; --resume goes on from here")


if __name__ == "__main__":
    main()
