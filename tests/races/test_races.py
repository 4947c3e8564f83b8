"""Kernels for OpenCL in Oclgrind, which simulates a device and tells of races and of accesses out of bounds."""

import os
import pathlib
import shutil
import subprocess
import sys

import pytest

HERE = pathlib.Path(__file__).parent
DRIVERS = list(pathlib.Path("/usr").glob("lib*/**/oclgrind/liboclgrind-rt-icd.so"))


@pytest.fixture
def checked(tmp_path):
    """Runs a program on Oclgrind's device alone; gives what Oclgrind tells."""
    if not shutil.which("oclgrind") or not DRIVERS:
        pytest.skip("needs Oclgrind: Debian package oclgrind")
    (tmp_path / "oclgrind.icd").write_text(f"{DRIVERS[0]}\n")
    told = tmp_path / "told"
    checks = {"OCLGRIND_DATA_RACES": "1", "OCLGRIND_UNIFORM_WRITES": "1", "OCLGRIND_LOG": str(told)}

    def run(program):
        done = subprocess.run(
            [sys.executable, program], capture_output=True, text=True, timeout=1200,
            env={**os.environ, **checks, "OCL_ICD_VENDORS": str(tmp_path)},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert "Oclgrind" in done.stdout
        return told.read_text()

    return run


def test_no_kernel_races_or_leaves_its_buffers(checked):
    halmix = pytest.importorskip("halmix")
    if not any(target["name"] == "opencl" for target in halmix.targets()):
        pytest.skip("this build has no pipelines for OpenCL")
    assert checked(HERE / "kernels.py") == ""


def test_races_and_accesses_out_of_bounds_are_found(checked):
    told = checked(HERE / "faulty_kernel.py")
    assert "data race" in told and "Invalid read" in told
