"""An installation of the build, for the tests of what programs outside of it see."""

import os
import pathlib
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
SANITIZE = [f"-fsanitize={os.environ['HALMIX_SANITIZE']}"] if os.environ["HALMIX_SANITIZE"] else []


@pytest.fixture(scope="session")
def installed(tmp_path_factory):
    """Its prefix."""
    prefix = tmp_path_factory.mktemp("prefix")
    cmake = [os.environ["HALMIX_CMAKE"], "--install", os.environ["HALMIX_BUILD"], "--prefix", prefix]
    subprocess.run(cmake, check=True, stdout=subprocess.DEVNULL)
    return prefix


@pytest.fixture(scope="session")
def library(installed):
    """libhalmix.so in it."""
    (path,) = installed.glob("lib*/**/libhalmix.so")
    return path


@pytest.fixture(scope="session")
def environment(library):
    """What finds it where it is not installed for all."""
    paths = {"PKG_CONFIG_PATH": library.parent / "pkgconfig", "LD_LIBRARY_PATH": library.parent}
    return {**os.environ, **{name: str(path) for name, path in paths.items()}}


def build_with_cmake(project, sources, installed, folder, flags=()):
    """Builds the CMakeLists.txt and sources that are given as text; returns the build folder."""
    for name, text in {"CMakeLists.txt": project, **sources}.items():
        (folder / name).write_text(text)
    configure = [os.environ["HALMIX_CMAKE"], "-S", folder, "-B", folder / "build", "-G", "Ninja"]
    configure += [f"-DCMAKE_MAKE_PROGRAM={os.environ['HALMIX_NINJA']}", f"-DCMAKE_PREFIX_PATH={installed}"]
    all_flags = " ".join([*flags, *SANITIZE])
    subprocess.run([*configure, f"-DCMAKE_C_FLAGS={all_flags}", f"-DCMAKE_CXX_FLAGS={all_flags}"], check=True)
    subprocess.run([os.environ["HALMIX_CMAKE"], "--build", folder / "build"], check=True)
    return folder / "build"
