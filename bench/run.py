"""Times halmix and its peers in one run and prints the table that report.py makes; docs/benchmarks.md explains it."""

import argparse
import contextlib
import datetime
import itertools
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import time
from typing import NamedTuple

from PIL import Image

import report

ROOT = pathlib.Path(__file__).resolve().parent.parent
VENVS = ROOT / ".venv-bench"
PHOTO = ROOT / "data" / "chelsea.jpg"

SIZES = {"32x32": 1000, "224x224": 384, "512x512": 300, "1024x768": 300}  # -> images of one AugMix measurement
POLICY = {"severity": 3, "width": 3, "depth": -1, "alpha": 1.0}
WARM_UP = 20  # images
BLOCKS = {"blocks": 7, "block_us": 2000}
COUNTS = ("faults", "allocations")

# Memory is not given back to the kernel between images; where it is, Composer and torchvision take a fifth longer.
# One thread each, and no look-ups of new versions.
PEER_ENVIRONMENT = {
    "MALLOC_MMAP_THRESHOLD_": "1000000000",
    "MALLOC_TRIM_THRESHOLD_": "1000000000",
    "OMP_NUM_THREADS": "1",
    "NO_ALBUMENTATIONS_UPDATE": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONWARNINGS": "ignore",
}


class Peer(NamedTuple):
    name: str
    module: str  # in peers/
    group: str | None  # the virtual environment in .venv-bench; without one it is the project's own
    environment: dict = {}


PEERS = {
    "composer": Peer("Composer, Pillow", "composer", None),
    "composer-simd": Peer("Composer, Pillow-SIMD", "composer", "pillow-simd"),
    "opencv": Peer("OpenCV, tuned", "opencv", "opencv"),
    "opencv-avx2": Peer("OpenCV, tuned, AVX2", "opencv", "opencv", {"OPENCV_CPU_DISABLE": "AVX512-SKX"}),
    "albumentationsx": Peer("AlbumentationsX", "albumentationsx", "torch"),
    "torchvision": Peer("torchvision v2", "torchvision", "torch"),
    "timm": Peer("timm", "timm", "torch"),
}


class Worker:
    """A process that answers requests, as halmix_bench.cpp describes them."""

    def __init__(self, name, command, environment, cores, jobs=None, errors=None):
        """`jobs` are what it is asked for, if not all that it can do; `errors` is where its errors go, if not to ours."""
        self.name = name
        environment = {**os.environ, **environment}
        self._process = subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors
        )
        self.about = self.request(cores, "about")
        self.jobs = jobs or self.about["jobs"]

    def request(self, cores, job, pixels=b"", **members):
        os.sched_setaffinity(self._process.pid, cores)
        with contextlib.suppress(BrokenPipeError):  # it has ended, and said why on stderr
            self._process.stdin.write(json.dumps({"job": job, **members}).encode() + b"\n" + pixels)
            self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.name}: its process ended with exit status {self._process.wait()}")
        return json.loads(line)

    def end(self):
        self._process.communicate()


def start_halmix(name, preset, target, core, jobs=None):
    """The halmix of a preset, on a target or the best one."""
    environment = {"HALMIX_TARGET": target} if target else {}
    return Worker(name, [ROOT / "build" / preset / "halmix_bench"], environment, core, jobs)


def start_peers(options, cores):
    for option in options:
        name, module, group, environment = PEERS[option]
        python = (VENVS / group if group else ROOT / ".venv") / "bin" / "python3"
        if not python.exists():
            print(f"bench: {name}: skipped; scripts/bench --install-peers {group} installs it", file=sys.stderr)
            continue
        try:
            yield Worker(name, [python, ROOT / "bench" / "peer.py", module], PEER_ENVIRONMENT | environment, cores)
        except RuntimeError as error:
            print(f"bench: {error}: skipped", file=sys.stderr)


class Job(NamedTuple):
    kind: str
    size: str
    name: str  # what the table calls it
    members: dict  # of the request
    cores: frozenset  # it may run on


def ops_of(text):
    """Such as "color=2,equalize", as a request has them."""
    calls = [call.partition("=") for call in text.split(",")]
    return [{"op": op, "value": json.loads(value)} if value else {"op": op} for op, _, value in calls]


def chains(width, height):
    """Every op with a middling value, factors below and above 1, and a few chains."""
    return [
        *("autocontrast", "equalize", "posterize=4", "solarize=218", "rotate=4", "rotate=-4"),
        *("shear_x=0.045", "shear_y=0.045", f"translate_x={width // 20}", f"translate_y={height // 20}"),
        *("color=0.87", "color=2", "contrast=0.87", "contrast=2"),
        *("brightness=0.87", "brightness=1.5", "sharpness=0.87", "sharpness=2"),
        "posterize=4,solarize=218,brightness=1.5",
        "color=2,rotate=4",
        "equalize,shear_x=0.045,contrast=2",
        f"sharpness=2,translate_x={width // 20},autocontrast",
    ]


def jobs(sizes, core, cores):
    for size in sizes:
        images = {"policy": POLICY, "warm_up": WARM_UP, "images": SIZES[size]}
        yield Job("augmix", size, "AugMix", images, core)
        for text in chains(*map(int, size.split("x"))):
            yield Job("chain", size, text, {"ops": ops_of(text), **BLOCKS}, core)
        yield Job("mix", size, "mix", BLOCKS, core)
        for threads in sorted({1, len(cores)}):
            yield Job("throughput", size, f"{threads}", {**images, "threads": threads, "blocks": 3}, cores)


def summary(replies):
    """What is kept of one job and implementation, from a reply for every round. At each place of their lists of times
    stands the same work."""
    rounds = [reply["us"] for reply in replies]
    places = list(zip(*rounds))
    counts = {name: statistics.mean(reply[name] for reply in replies) for name in COUNTS if name in replies[0]}
    pipelines = {"pipelines": replies[0]["pipelines"]} if "pipelines" in replies[0] else {}
    return {
        "median": statistics.mean(map(statistics.median, places)),
        "quickest": statistics.mean(map(min, places)),
        "rounds": [statistics.mean(times) for times in rounds],
        **counts,
        **pipelines,
    }


def fusing(replies):
    """For every size the quartiles, over the plans, of how many times as long a plan takes step by step as fused: at its
    quickest round, for what disturbs a machine only ever adds."""
    for (kind, size, name, implementation), rounds in replies.items():
        if kind == "augmix" and implementation == report.STEP_BY_STEP:
            fused = replies[kind, size, name, "halmix"]
            quickest = [map(min, zip(*(reply["us"] for reply in both))) for both in (rounds, fused)]
            ratios = [step_by_step / fused for step_by_step, fused in zip(*quickest)]
            quartiles = statistics.quantiles(ratios, method="inclusive")
            yield {"size": size, "plans": len(ratios), "quartiles": quartiles}


def measure(workers, photo, all_jobs, rounds):
    """The replies, by what was asked and of whom: every job to every worker that does it, one right after the other, in
    each of the rounds; every other round in reverse, so that none is always the first."""
    replies = {}
    start = time.monotonic()
    for number, job in itertools.product(range(1, rounds + 1), all_jobs):
        width, height = map(int, job.size.split("x"))
        pixels = photo.resize((width, height), Image.Resampling.LANCZOS).tobytes()
        for worker in workers if number % 2 else workers[::-1]:
            if job.kind in worker.jobs:
                reply = worker.request(job.cores, job.kind, pixels, width=width, height=height, **job.members)
                replies.setdefault((job.kind, job.size, job.name, worker.name), []).append(reply)
        if sys.stderr.isatty():
            line = f"round {number}/{rounds}, {time.monotonic() - start:.0f} s: {job.size} {job.name}"
            print(f"\r{line:<79}", end="", file=sys.stderr, flush=True)
    if sys.stderr.isatty():
        print("\r" + " " * 79, end="\r", file=sys.stderr)
    return replies


def processor():
    """Its name, with the numbers that tell generations apart where a virtual machine hides them behind one name."""
    text = pathlib.Path("/proc/cpuinfo").read_text()
    name, family, model = (
        found[1] if (found := re.search(rf"^{key}\s*: (.*)$", text, re.MULTILINE)) else "unknown"
        for key in ("model name", "cpu family", "model")
    )
    return f"{name}, family {family} model {model}"


def commit():
    command = ["git", "-C", ROOT, "describe", "--always", "--dirty"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip() or "of an unknown commit"


def file_stem(results):
    hardware = re.sub(r"\W+", "-", re.sub(r"\(\w+\)", "", results["processor"]).lower()).strip("-")
    return f"{results['date']}-{hardware}-{results['target']}"


def size(text):
    """An option's, such as 224x224."""
    if not re.fullmatch(r"[1-9]\d{0,4}x[1-9]\d{0,4}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a size such as 224x224")
    return text


def measuring_options(cores, rounds):
    """What scripts/bench and scripts/autoschedulers have in common."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--rounds", type=int, default=rounds, help="how often each time is taken (%(default)s)")
    parser.add_argument("--core", type=int, default=max(cores), choices=cores, help="for all but threads (%(default)s)")
    parser.add_argument(
        "--image", type=pathlib.Path, default=PHOTO, help="a photo (data/chelsea.jpg)"
    )
    return parser


def main():
    cores = frozenset(os.sched_getaffinity(0))
    parser = argparse.ArgumentParser(
        prog="scripts/bench",
        description=__doc__,
        epilog="All times are microseconds.",
        parents=[measuring_options(cores, rounds=5)],
    )
    parser.add_argument(
        "--quick", action="store_true", help="only beside Composer on Pillow, not at 1024x768: two minutes"
    )
    parser.add_argument("--sizes", nargs="+", choices=SIZES, metavar="WxH", help=f"of {', '.join(SIZES)} (all)")
    parser.add_argument("--peers", nargs="*", choices=PEERS, metavar="NAME", help=f"of {', '.join(PEERS)} (all)")
    parser.add_argument("--target", help="what halmix runs on (the best one; halmix targets lists them)")
    parser.add_argument("--keep", action="store_true", help="write to bench/results/, not to out/bench.*")
    options = parser.parse_args()
    sizes = options.sizes or (list(SIZES)[:3] if options.quick else list(SIZES))
    peers = options.peers if options.peers is not None else ["composer"] if options.quick else list(PEERS)

    core = frozenset({options.core})
    try:
        halmix = start_halmix("halmix", "release", options.target, core)
        step_by_step = start_halmix(report.STEP_BY_STEP, "single", options.target, core, jobs=("augmix", "chain"))
    except RuntimeError:
        sys.exit(1)  # it has said why
    if "throughput" not in halmix.jobs:
        parser.error("--target: this times CPUs; halmix compare times GPUs")
    workers = [halmix, step_by_step, *start_peers(peers, core)]

    results = {
        "date": datetime.date.today().isoformat(),
        "processor": processor(),
        "cores": len(cores),
        "core": options.core,
        "load": os.getloadavg()[0],
        "commit": commit(),
        "target": halmix.about["target"],
        "image": options.image.name,
        "policy": POLICY,
        "rounds": options.rounds,
        "implementations": {worker.name: worker.about["versions"] for worker in workers},
    }
    photo = Image.open(options.image).convert("RGB")
    replies = measure(workers, photo, list(jobs(sizes, core, cores)), options.rounds)
    for worker in workers:
        worker.end()
    results["fusing"] = list(fusing(replies))
    asked = ("kind", "size", "name", "implementation")
    results["measurements"] = [{**dict(zip(asked, key)), **summary(rounds)} for key, rounds in replies.items()]
    text = report.text(results)
    print(text)
    stem = ROOT / "bench" / "results" / file_stem(results) if options.keep else ROOT / "out" / "bench"
    stem.parent.mkdir(exist_ok=True)
    files = {kind: stem.with_name(f"{stem.name}.{kind}") for kind in ("json", "md", "png")}
    files["json"].write_text(json.dumps(results, indent=1) + "\n")
    files["md"].write_text(text + "\n")
    print("bench: written:", *(files[kind] for kind in ("json", "md")), file=sys.stderr)
    python = VENVS / "plot" / "bin" / "python3"
    if python.exists():
        subprocess.run([python, ROOT / "bench" / "plot.py", files["json"], files["png"]], check=True)
        print("bench: written:", files["png"], file=sys.stderr)
    else:
        print("bench: no plot; scripts/bench --install-peers plot installs what draws it", file=sys.stderr)


if __name__ == "__main__":
    main()
