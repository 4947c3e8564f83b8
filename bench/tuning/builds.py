"""Builds for trials and for their proof."""

import functools
import os
import pathlib
import re
import subprocess
import sys

import run

PROVING = ("halmix_bench", "halmix_command", "chain_server", "test_pipelines", "test_reference")  # what it takes
PROVING_TESTS = "^(pipelines|reference|composer)$"
TOOLS = run.ROOT / ".venv" / "bin"


@functools.cache
def _in_catalogue(name):
    text = (run.ROOT / "generators" / "catalogue.cmake").read_text()
    return re.search(rf"set\({name}\s(.*?)\)", text, re.DOTALL)[1]


def kinds():
    return _in_catalogue("HALMIX_KINDS").split()


def _targets(processor):
    """The rows of HALMIX_CPU_TARGETS or HALMIX_GPU_TARGETS."""
    return [row.split(" | ") for row in re.findall(r'"(.*)"', _in_catalogue(f"HALMIX_{processor}_TARGETS"))]


def gpu_targets():
    """All there are, best first, whether this machine has such devices or not."""
    return [name for name, *_ in _targets("GPU")]


def available_targets():
    """Those for CPUs that this processor has all features for, best first."""
    flags = re.search(r"^flags\s*:(.*)$", pathlib.Path("/proc/cpuinfo").read_text(), re.MULTILINE)[1]
    there = set(flags.replace("_", "").split())
    return [name for name, _, needs, *_ in _targets("CPU") if set(needs.replace(".", "").split()) <= there]


class Build:
    """A build of some targets in a folder below build/tune."""

    def __init__(self, name, targets, **options):
        """`options` are CMake's for all that is made, HALMIX_ left out."""
        self.folder, self.targets, self.options = run.ROOT / "build" / "tune" / name, targets, options

    @property
    def program(self):
        return self.folder / "halmix_bench"

    def make(self, *what, **options):
        """Builds it with these options as well."""
        all_options = {
            "CMAKE_BUILD_TYPE": "Release",
            "CMAKE_MAKE_PROGRAM": TOOLS / "ninja",
            "HALMIX_BUILD_TARGETS": ";".join(self.targets),
            "HALMIX_BUILD_PYTHON": "OFF",
            **{f"HALMIX_{name}": value for name, value in (self.options | options).items()},
        }
        configure = [TOOLS / "cmake", "-S", run.ROOT, "-B", self.folder, "-G", "Ninja"]
        _run_quietly([*configure, *(f"-D{name}={value}" for name, value in all_options.items())])
        _run_quietly([TOOLS / "cmake", "--build", self.folder, "--target", *what])

    def passes_tests(self):
        """Of pipelines, and against Pillow and Composer; what fails is shown."""
        command = [TOOLS / "ctest", "--test-dir", self.folder, "--output-on-failure", "--tests-regex", PROVING_TESTS]
        return subprocess.run(command, stdout=sys.stderr).returncode == 0


def for_gpus(targets=()):
    """One with these GPU targets. Of CPUs it has one, with the fewest pipelines: it is only there to compare with."""
    return Build("devices", [available_targets()[0], *targets], CATALOGUE="single")


def devices():
    """GPU target -> the `names` of its devices here, and the `problem` if there are none."""
    build = for_gpus()
    if not build.program.exists():  # one that was built for some GPUs knows the others as well
        build.make("halmix_bench")
    worker = run.Worker("devices", [build.program], {"HALMIX_TARGET": build.targets[0]}, os.sched_getaffinity(0))
    found = worker.request(os.sched_getaffinity(0), "devices")["devices"]
    worker.end()
    return found


def _run_quietly(command):
    """Its output is only shown if it fails."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        sys.stderr.write(done.stdout)
        raise RuntimeError(f"this failed, see above: {' '.join(map(str, command))}")
