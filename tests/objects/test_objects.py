"""What compiled objects must not hold."""

import os
import pathlib
import re
import subprocess

import pytest

BUILD = pathlib.Path(os.environ["HALMIX_BUILD"])


def undefined_symbols():
    """The symbols that each object of the library takes from elsewhere."""
    listed = subprocess.check_output(["nm", "--undefined-only", BUILD / "libhalmix_core.a"], text=True)
    objects = re.split(r"^(\S+\.o):$", listed, flags=re.MULTILINE)[1:]
    return {name: set(re.findall(r"U (\S+)", symbols)) for name, symbols in zip(objects[::2], objects[1::2])}


def test_nothing_but_gpus_is_initialised_under_a_lock():
    """A static of a function is made by the first thread that comes, under a lock: a child that is forked meanwhile
    would wait for it for ever."""
    symbols = undefined_symbols()
    assert len(symbols) > 50
    waiting = {name for name, used in symbols.items() if "__cxa_guard_acquire" in used}
    assert waiting <= {"device.cpp.o", "cuda.cpp.o", "opencl.cpp.o"}


def test_no_thread_is_started_but_for_those_who_ask():
    symbols = undefined_symbols()
    starting = {name for name, used in symbols.items() if any("_M_start_thread" in s or s == "pthread_create" for s in used)}
    # Halide's runtime has a pool of threads; what would start it is replaced (halide/glue.cpp).
    assert starting <= {"threads.cpp.o", "halmix_halide_runtime.o"}


def test_instructions_that_only_amd_has():
    """Resizes for AVX-512 are compiled with Halide's avx512_zen4, of which Intel's processors lack some."""
    objects = sorted((BUILD / "pipelines").glob("halmix_resample_*__cpu_avx512.o"))
    if not objects:
        pytest.skip("this build has no cpu-avx512")
    code = subprocess.check_output(["objdump", "--disassemble", "--no-show-raw-insn", *objects], text=True)
    used = set(re.findall(r"^ *[0-9a-f]+:\t(\w+)", code, flags=re.MULTILINE))
    assert "vpdpbusd" in used
    amd = {"clzero", "extrq", "insertq", "movntsd", "movntss", "rdpru"}  # SSE4a and others
    assert not used & amd and not {name for name in used if "bf16" in name}
