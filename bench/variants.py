"""Pipelines made otherwise than the build makes them, each in a halmix_bench of its own.

    made = variants.generate(build, "halmix_tone_c3__cpu_avx2", {"pixels_lanes": 2}, directory)
    program = variants.link(build, [made], directory)
    with variants.Candidate("tone", program, "cpu-avx2", cores) as candidate:
        candidate.request(cores, "check", pixels, width=32, height=32, ops=[{"op": "posterize", "value": 4}])

`build` is a build folder with a halmix_bench that is up to date; its own commands are run, with changes. Variants may
fail in any way: generators refuse or crash, pipelines return errors, crash or hang. So each step is a process of its
own with a time limit, and what comes of it other than a result is a Failure. A pipeline that returns at once with an
error, or with wrong bytes, looks quick: ask for the job `check` before any time.
"""

import pathlib
import re
import shlex
import signal
import subprocess
import tempfile
import threading

import run
from tuning import builds


class Failure(RuntimeError):
    """Why there is no result: one line."""


def function(pipeline, target):
    """That of a pipeline, such as tone_c3, for a target."""
    batch = "batch_" if target in builds.gpu_targets() else ""
    return f"halmix_{batch}{pipeline}__{target.replace('-', '_')}"


def autoscheduler(build, name):
    """Halide's plugin of that name, such as Adams2019: it lies beside the Halide that the build's generator uses."""
    halide = next(word for word in command_of(build, "halmix_generator") if word.endswith("/libHalide.so"))
    return pathlib.Path(halide).with_name(f"libautoschedule_{name.lower()}.so")


def generate(build, function, parameters, directory, plugin=None, limit=120):
    """Makes DIRECTORY/FUNCTION.o, a pipeline of the build but with these values for parameters of its generator, or the
    generator's own for None, and returns its path. `plugin` is loaded into the generator; `limit` are seconds."""
    command = command_of(build, f"pipelines/{function}.o")
    command = [word for word in command if word.partition("=")[0] not in parameters]
    command += [f"{name}={value}" for name, value in parameters.items() if value is not None]
    directory = pathlib.Path(directory).resolve()
    command[command.index("-o") + 1] = str(directory)
    _run(command + (["-p", str(plugin)] if plugin else []), build, limit)
    return directory / f"{function}.o"


def link(build, objects, directory, limit=120):
    """Links a halmix_bench with these objects in place of the build's of the same names, and returns its path."""
    command = command_of(build, "halmix_bench")
    library = command.index("libhalmix_core.a")  # the linker takes from it only what is still missing
    program = pathlib.Path(directory).resolve() / "halmix_bench"
    command[library:library] = [str(pathlib.Path(made).resolve()) for made in objects]
    command[command.index("-o") + 1] = str(program)
    _run(command, build, limit)
    return program


class Candidate(run.Worker):
    """The halmix_bench at `program`, which may fail: each request ends within `limit` seconds, or is a Failure."""

    def __init__(self, name, program, target, cores, limit=20):
        self._limit = limit
        self._errors = tempfile.TemporaryFile()
        super().__init__(name, [program], {"HALMIX_TARGET": target}, cores, errors=self._errors)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()
        self._errors.close()

    def request(self, cores, job, pixels=b"", **members):
        timer = threading.Timer(self._limit, self._process.kill)
        timer.start()
        try:
            return super().request(cores, job, pixels, **members)
        except RuntimeError:
            status = self._process.wait()
            self._errors.seek(0)
            said = self._errors.read().decode(errors="replace")
            raise Failure(_too_long(self._limit) if status == -signal.SIGKILL else _why(status, said)) from None
        finally:
            timer.cancel()


def command_of(build, output):
    """How the build makes a file: the words of a command for its folder."""
    cache = (pathlib.Path(build) / "CMakeCache.txt").read_text()
    ninja = re.search(r"^CMAKE_MAKE_PROGRAM:\w+=(.*)$", cache, re.MULTILINE)[1]
    text = _run([ninja, "--quiet", "-t", "commands", "-s", output], build, limit=20)
    commands = [shlex.split(part) for part in text.split(" && ")]
    return next(words for words in commands if words[0] not in ("cd", ":"))


def _run(command, build, limit):
    """What it says."""
    try:
        done = subprocess.run(
            command, cwd=build, timeout=limit, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
        )
    except subprocess.TimeoutExpired:
        raise Failure(_too_long(limit)) from None
    said = done.stdout.decode(errors="replace")
    if done.returncode:
        raise Failure(_why(done.returncode, said))
    return said


def _too_long(limit):
    return f"no end within {limit} s"


def _why(status, said):
    """Why a process ended with a status other than 0: the first line that is not a warning, without who says so."""
    lines = [line for line in said.splitlines() if line.strip() and not line.startswith("Warning: ")]
    if lines:
        return re.sub(r"^(Unhandled exception: |halmix_bench: )?(Error: )?", "", lines[0].strip())
    return signal.strsignal(-status) if status < 0 else f"exit status {status}"
