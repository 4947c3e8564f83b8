"""The C interface as programs have it: what is installed, what the libraries show, the examples."""

import os
import re
import subprocess
import sys

import pytest
from installation import ROOT, SANITIZE, build_with_cmake, environment, installed, library  # noqa: F401
from PIL import Image

HEADERS = sorted(path for room in ("runtime", "io") for path in (ROOT / room / "include" / "halmix").glob("*.h"))
WARNINGS = ["-pedantic", "-Wall", "-Wextra", "-Werror"]


def run(command, **options):
    return subprocess.run([str(word) for word in command], check=True, text=True, stdout=subprocess.PIPE, **options).stdout


def flags(environment, static):
    """How to compile and link a program, by pkg-config."""
    words = run(["pkg-config", "--cflags", "--libs", *(["--static"] if static else []), "halmix"], env=environment).split()
    return ["-l:libhalmix.a" if static and word == "-lhalmix" else word for word in words] + SANITIZE


# ---- Headers


@pytest.mark.parametrize("header", HEADERS, ids=lambda path: path.name)
def test_header_compiles_alone(header, installed, tmp_path):
    languages = {"cc": ["c11"], "c++": ["c++17", "c++20"]} if header.name == "c.h" else {"c++": ["c++20"]}
    for compiler, standards in languages.items():
        source = tmp_path / f"alone.{'c' if compiler == 'cc' else 'cpp'}"
        source.write_text(f"#include <halmix/{header.name}>\n#include <halmix/{header.name}>\n")
        for standard in standards:
            run([compiler, f"-std={standard}", *WARNINGS, "-fsyntax-only", f"-I{installed}/include", source])


# ---- Symbols


def declared():
    """The functions of the header."""
    text = (ROOT / "runtime" / "include" / "halmix" / "c.h").read_text()
    names = set(re.findall(r"^HALMIX_API[^;]*?\b(halmix_\w+)\(", text, re.MULTILINE))
    assert len(names) == text.count("HALMIX_API ")
    return names


def shown(path, *options):
    return run(["nm", "--defined-only", "--extern-only", "--demangle", "--format=posix", *options, path]).splitlines()


OUR_CXX = r"((typeinfo|typeinfo name|vtable) for )?halmix::"


def test_map_has_what_the_header_declares():
    nodes = re.findall(r"^HALMIX_\d.*?^}", (ROOT / "runtime" / "halmix.map").read_text(), re.MULTILINE | re.DOTALL)
    names = re.findall(r"^\s+(halmix_\w+);$", "\n".join(nodes), re.MULTILINE)
    assert len(names) == len(set(names))
    assert set(names) == declared()


def test_shared_library_shows_its_own_symbols_only(library):
    lines = shown(library, "--dynamic")
    functions = dict(re.findall(r"^(halmix_\w+)@@(\S+) T ", "\n".join(lines), re.MULTILINE))
    assert set(functions) == declared()
    assert all(re.fullmatch(r"HALMIX_\d+\.\d+", version) for version in functions.values())
    others = [line for line in lines if not re.match(r"halmix_\w+@@", line)]
    versions = {line.split()[0] for line in others if re.match(r"HALMIX_\S+ A ", line)}
    foreign = [line for line in others if not re.match(rf"{OUR_CXX}.*@@HALMIX_CXX_\d+\.\d+ |HALMIX_\S+ A ", line)]
    assert not foreign
    assert versions >= set(functions.values())
    assert len(others) >= 15


def test_library_that_decodes_shows_its_own_symbols_only(library):
    lines = shown(library.with_name("libhalmix_io.so"), "--dynamic")
    foreign = [line for line in lines if not re.match(rf"{OUR_CXX}io::.*@@HALMIX_IO_CXX_\d+\.\d+ |HALMIX_IO_CXX_\S+ A ", line)]
    assert not foreign
    assert len(lines) >= 10


def test_shared_library_has_the_number_of_its_interface(library):
    (abi,) = re.findall(r"#define HALMIX_ABI (\d+)", (ROOT / "runtime" / "include" / "halmix" / "c.h").read_text())
    dynamic = run(["readelf", "--dynamic", "--wide", library])
    assert re.findall(r"SONAME.*\[(.*)\]", dynamic) == [f"libhalmix.so.{abi}"]
    assert library.resolve().name.startswith(f"libhalmix.so.{abi}.")


def test_static_library_shows_its_own_symbols_only(library):
    shared = {re.sub(r"@@.*", "", line) for line in shown(library, "--dynamic") if not line.startswith("HALMIX_")}
    lines = shown(library.with_suffix(".a"))[1:]  # the first is the object's name
    assert {re.sub(r" [A-Za-z] [0-9a-f ]*$", "", line) for line in lines} == shared


# ---- Examples


@pytest.fixture(scope="session")
def photo(tmp_path_factory):
    """A photo as a PPM file, and what the command makes of it."""
    folder = tmp_path_factory.mktemp("photo")
    with Image.open(ROOT / "data" / "chelsea.jpg") as image:
        for name in ("photo.ppm", "photo.png"):
            image.convert("RGB").save(folder / name)
    run([os.environ["HALMIX_COMMAND"], "augment", folder / "photo.png", "-o", folder / "out.png", "--severity", 5, "--seed", 7])
    with Image.open(folder / "out.png") as image:
        image.save(folder / "expected.ppm")
    assert (folder / "expected.ppm").read_bytes() != (folder / "photo.ppm").read_bytes()
    return folder


def pixels(path):
    with Image.open(path) as image:
        return image.size, image.tobytes()


@pytest.mark.parametrize("static", [False, True], ids=["shared", "static"])
def test_example_in_c(static, environment, photo, tmp_path):
    program, result = tmp_path / "augment_ppm", tmp_path / "result.ppm"
    example = ROOT / "examples" / "c" / "augment_ppm.c"
    run(["cc", "-std=c11", *WARNINGS, example, *flags(environment, static), "-o", program])
    env = {name: value for name, value in environment.items() if not static or name != "LD_LIBRARY_PATH"}
    run([program, photo / "photo.ppm", result, 7], env=env)
    assert pixels(result) == pixels(photo / "expected.ppm")

    failed = subprocess.run([program, photo / "photo.png", result, "7"], env=env, stderr=subprocess.PIPE, text=True)
    assert failed.returncode == 1
    assert re.fullmatch(r"augment_ppm: .*cannot be read as a PPM file.*\n", failed.stderr)
    env["HALMIX_TARGET"] = "cpu-386"
    failed = subprocess.run([program, photo / "photo.ppm", result, "7"], env=env, stderr=subprocess.PIPE, text=True)
    assert failed.returncode == 1
    assert re.fullmatch(r'augment_ppm: target in HALMIX_TARGET "cpu-386": unknown; .*\n', failed.stderr)


# What a sanitizer checks must be there before the program that opens the library.
without_sanitizers = pytest.mark.skipif(bool(SANITIZE), reason="Python is not compiled with sanitizers")


@without_sanitizers
def test_example_in_python_and_no_thread_is_left(environment, photo, tmp_path):
    example, result = ROOT / "examples" / "python" / "augment_ctypes.py", tmp_path / "result.ppm"
    run([sys.executable, example, photo / "photo.ppm", result, 7], env=environment)
    assert pixels(result) == pixels(photo / "expected.ppm")

    failed = subprocess.run(
        [sys.executable, example, photo / "photo.ppm", result, "7"],
        env={**environment, "HALMIX_TARGET": "cpu-386"},
        stderr=subprocess.PIPE,
        text=True,
    )
    assert failed.returncode == 1
    assert re.fullmatch(r'augment_ctypes.py: target in HALMIX_TARGET "cpu-386": unknown; .*\n', failed.stderr)

    count = "import os, runpy, sys; runpy.run_path(sys.argv.pop(1), run_name='__main__'); print(len(os.listdir('/proc/self/task')))"
    assert run([sys.executable, "-c", count, example, photo / "photo.ppm", result, 7], env=environment) == "1\n"


# ---- The CMake package

CATCHING = """
#include <halmix/halmix.h>

#include <cstdio>
#include <stdexcept>

int main() {
    try {
        halmix::Engine engine("cpu-386");
    } catch (const halmix::Error& error) {
        std::puts(error.what());
    }
    try {
        halmix::validate(halmix::OpCall{halmix::Op::rotate, 1e9});
    } catch (const std::runtime_error& error) {
        std::puts(error.what());
    }
    halmix::Threads threads(2);
    std::printf("%s, %d threads\\n", std::string(halmix::Engine().target().name).c_str(), threads.count());
}
"""

# Another Halide's runtime in the program, whose errors come to its own handler, not to ours.
OTHER_HALIDE = """
extern "C" {
int other_calls = 0;
void halide_error(void*, const char*) { ++other_calls; }
void* halide_malloc(void*, unsigned long) { ++other_calls; return nullptr; }
int halide_do_par_for(void*, void*, int, int, unsigned char*) { ++other_calls; return -1; }
int halide_cuda_run(...) { ++other_calls; return -1; }
}

#include <halmix/halmix.h>

#include <cstdio>
#include <vector>

int main() {
    std::vector<unsigned char> image(64 * 64 * 3, 7), result(image.size());
    halmix::Engine engine;
    for (int i = 0; i < 20; i++) {
        engine.run(halmix::sample({}, {.index = std::uint64_t(i)}, 64, 64), {image.data(), 64, 64, 3}, {result.data(), 64, 64, 3});
    }
    std::printf("%d calls\\n", other_calls);
}
"""


def project(language, target, sources):
    return f"""
cmake_minimum_required(VERSION 3.20)
project(example LANGUAGES {language})
find_package(halmix REQUIRED)
add_executable(example {sources})
target_link_libraries(example PRIVATE halmix::{target})
"""


@pytest.mark.parametrize("target", ["halmix", "halmix_static"])
def test_cmake_package(target, installed, photo, tmp_path):
    def build(name, language, source):
        folder = tmp_path / name
        folder.mkdir()
        file = f"example.{'c' if language == 'C' else 'cpp'}"
        text = project(language, target, file)
        return build_with_cmake(text, {file: source}, installed, folder, ["-Wall", "-Wextra", "-Werror"]) / "example"

    in_c = build("c", "C", (ROOT / "examples" / "c" / "augment_ppm.c").read_text())
    run([in_c, photo / "photo.ppm", tmp_path / "result.ppm", 7])
    assert pixels(tmp_path / "result.ppm") == pixels(photo / "expected.ppm")

    unknown, wrong, threads = run([build("catching", "CXX", CATCHING)]).splitlines()
    assert unknown.startswith('target "cpu-386": unknown')
    assert wrong.startswith("1e+09 for rotate")
    assert threads.endswith(", 2 threads")

    assert run([build("other", "CXX", OTHER_HALIDE)]) == "0 calls\n"


def test_static_library_beside_another_halide(library, installed, tmp_path):
    """The whole runtime of Halide, as another library in a program has it: the linker complains of nothing."""
    runtime = f"{os.environ['HALMIX_BUILD']}/pipelines/halmix_halide_runtime.o"
    (tmp_path / "both.cpp").write_text(CATCHING)
    command = ["c++", "-std=c++20", tmp_path / "both.cpp", runtime, library.with_suffix(".a"), f"-I{installed}/include"]
    run([*command, "-ldl", *SANITIZE, "-o", tmp_path / "both"])
    assert run([tmp_path / "both"]).count("\n") == 3
