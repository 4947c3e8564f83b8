"""What the CUDA pipelines of the build are made of: PTX whose floats are all exact, and that ptxas assembles well."""

import concurrent.futures
import os
import pathlib
import re
import shutil
import subprocess

import pytest

PIPELINES = pathlib.Path(os.environ["HALMIX_BUILD"]) / "pipelines"
# The folder may hold what an earlier configuration made; the catalogue lists what is linked.
CATALOGUE = (PIPELINES / "catalogue.h").read_text()
NAMES = sorted(set(re.findall(r"halmix_batch_\w+__cuda", CATALOGUE)))
CUDA = os.environ.get("CUDA_HOME", "/usr/local/cuda")
PTXAS = shutil.which("ptxas", path=f"{os.environ['PATH']}:{CUDA}/bin:/usr/local/cuda/bin")
ARCHITECTURES = ("sm_75", "sm_80", "sm_90")

pytestmark = pytest.mark.skipif(not NAMES, reason="this build has no target cuda")

FLOAT_OPCODE = re.compile(r"(?<![\w.%$])[a-z]\w*(?:[.:]+\w+)*[.](?:b?f16|tf32|f32|f64)(?:x2)?\b(?:[.]\w+)*")

# Whose result is the exact one, or the nearest float to it, whatever ptxas does. A mul that does not say .rn may be
# fused with the add that follows. mul.rn.ftz.f32 is how libdevice's __nv_fmul_rn multiplies: it takes what is below
# 1.2e-38 for 0, which is lost as well when it is added to a level or truncated to one.
EXACT = re.compile(
    r"""(?: mov | ld | st | selp | setp | min | max | abs | neg | cvt )(?:[.](?!ftz|approx)\w+(?:::\w+)*)*
      | (?: add | sub )(?:[.]rn)?[.]f(?:32|64)
      | (?: mul | div | rcp | sqrt )[.]rn[.]f(?:32|64)
      | mul[.]rn[.]ftz[.]f32""",
    re.VERBOSE,
)


def ptx(name):
    """The text that the pipeline's object hands to the driver."""
    texts = re.findall(rb"//[^\0]*?\n\.version [^\0]*\0", (PIPELINES / f"{name}.o").read_bytes())
    assert len(texts) == 1, name
    return texts[0][:-1].decode("ascii")


def kernels(text):
    return re.findall(r"^\.visible \.entry (\w+)\(", text, re.MULTILINE)


def inexact(text):
    """The instructions that may round otherwise than once, to the nearest."""
    return [opcode for opcode in FLOAT_OPCODE.findall(text) if not EXACT.fullmatch(opcode)]


@pytest.mark.parametrize("name", NAMES)
def test_floats_are_rounded_once_each(name):
    text = ptx(name)
    assert kernels(text)
    assert not inexact(text)


def test_floats_are_found():
    opcodes = {opcode for name in NAMES for opcode in FLOAT_OPCODE.findall(ptx(name))}
    assert {"mul.rn.f64", "mul.rn.ftz.f32", "add.f32", "cvt.rzi.s32.f64"} <= opcodes
    print(*sorted(opcodes))


@pytest.mark.parametrize(
    "opcode",
    [
        *("fma.rn.f32", "fma.rn.f64", "fma.rn.ftz.f32", "mad.f32", "mad.rn.f64", "fma.rn.f16x2", "fma.rn.f32x2"),
        *("mul.f32", "mul.f64", "mul.ftz.f32", "mul.rz.f64", "mul.sat.f32", "add.ftz.f32", "add.rz.f64"),
        *("div.approx.f32", "div.full.f32", "rcp.approx.ftz.f64", "sqrt.approx.f32", "ex2.approx.ftz.f32"),
        *("min.ftz.f32", "cvt.rn.ftz.f32.f64", "setp.lt.ftz.f32", "atom.global.add.f32", "red.shared.add.f64"),
        *("tanh.approx.f32", "wmma.mma.sync.aligned.row.col.m16n16k16.f32.f32", "tex.2d.v4.f32.f32"),
    ],
)
def test_what_is_inexact_is_found(opcode):
    text = ptx(NAMES[0])
    head, end, tail = text.rpartition("\tret;")
    assert inexact(f"{head}\t@%p1 {opcode} \t%f1, %f2, %f3, %f4;\n{end}{tail}") == [opcode]


@pytest.mark.parametrize(
    "line",
    [
        *(".reg .f32 \t%f<9>;", ".param .f64 fma_param_0", "mad.lo.s32 %r1, %r2, %r3, %r4;"),
        *("mul.rn.f64 %fd1, %fd2, %fd3;", "cvt.rn.f32.f64 %f1, %fd1;", "ld.global.nc.f32 %f1, [fma_param_0];"),
    ],
)
def test_what_is_exact_is_left(line):
    assert not inexact(f"\t{line}\n")


def test_launches():
    """docs/gpu.md promises how many a step of all chains takes at most, if no sequence is fused; the mixture takes one."""
    page = pathlib.Path(__file__).resolve().parents[2] / "docs" / "gpu.md"
    (promised,) = re.findall(r"takes at most (\d+) kernels", page.read_text())
    counts = {name: len(kernels(ptx(name))) for name in NAMES}
    for name, count in counts.items():
        print(f"{count}  {name}")
    of_one_kind = re.findall(r"pack\(\{Kind::\w+\}\).*?(halmix_batch_\w+__cuda)", CATALOGUE)
    for channels in (1, 3):
        step = [name for name in of_one_kind if f"_c{channels}__" in name]
        assert step
        assert sum(counts[name] for name in step) <= int(promised)
    # Of which one is launched: that for the usual number of chains, or that for any.
    assert {counts[name] for name in NAMES if "batch_mix" in name} == {2}


def assemble(path, architecture):
    """What ptxas says of each kernel: (registers, bytes that it spills). Of shared memory it says nothing, for Halide
    takes that at the launch."""
    command = [PTXAS, "--verbose", "--gpu-name", architecture, "--output-file", os.devnull, path]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = {}
    for part in done.stderr.split("Compiling entry function ")[1:]:
        registers = int(re.search(r"Used (\d+) registers", part)[1])
        spilled = re.findall(r"(\d+) bytes spill", part)  # stores and loads, of it and of functions that it calls
        assert len(spilled) >= 2
        found[re.match(r"'(\w+)'", part)[1]] = registers, sum(map(int, spilled))
    return found


def test_assembled_without_spills(tmp_path):
    if PTXAS is None:
        pytest.skip(f"ptxas not found: {len(NAMES)} pipelines not assembled for {', '.join(ARCHITECTURES)}")
    texts = {name: ptx(name) for name in NAMES}
    paths = {name: tmp_path / f"{name}.ptx" for name in NAMES}
    for name in NAMES:
        paths[name].write_text(texts[name])
    with concurrent.futures.ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        jobs = {(name, sm): pool.submit(assemble, paths[name], sm) for name in NAMES for sm in ARCHITECTURES}
    print(f"{'registers':<80}", *(f"{sm:>6}" for sm in ARCHITECTURES))
    spills = []
    for name in NAMES:
        results = [jobs[name, sm].result() for sm in ARCHITECTURES]
        for kernel in kernels(texts[name]):
            print(f"{name + ' ' + kernel:<80}", *(f"{result[kernel][0]:6}" for result in results))
            spills += [(name, kernel, sm) for sm, result in zip(ARCHITECTURES, results) if result[kernel][1]]
    assert not spills
