"""The rooms of the house: who may include whom, and that no arrow runs in a circle."""

import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parents[2]

# A room may include itself and these; what a file includes is looked for beside these folders, in this order.
ROOMS = {
    "runtime/include/halmix": [],
    "runtime/src/plan": ["runtime/include/halmix"],
    "runtime/src/halide": ["runtime/include/halmix"],
    "runtime/src/lowering": ["runtime/include/halmix", "runtime/src/plan"],
    "runtime/src/cpu": ["runtime/include/halmix", "runtime/src/plan", "runtime/src/halide", "runtime/src/lowering"],
    "runtime/src/gpu": ["runtime/include/halmix", "runtime/src/plan", "runtime/src/halide", "runtime/src/lowering"],
    "runtime/src": ["runtime/include/halmix", *(f"runtime/src/{room}" for room in ("plan", "halide", "lowering", "cpu", "gpu"))],
    "io/include/halmix": ["runtime/include/halmix"],
    "io": ["runtime/include/halmix", "io/include/halmix"],
    "apps": ["runtime/include/halmix", "io"],
    "schedules": [],
    "generators/ops": ["schedules"],
    "generators": ["schedules", "generators/ops"],
}
PLACES = ["", "runtime/include", "runtime/src", "io/include"]
MADE = {"catalogue.h"}  # by the build


def includes(path):
    """The project's own files that a file includes."""
    for name in re.findall(r'^#include "([^"]+)"', path.read_text(), re.MULTILINE):
        found = [path.parent / name] + [ROOT / place / name for place in PLACES]
        files = [file for file in found if file.is_file()]
        if files:
            yield files[0].resolve()
        else:
            assert name in MADE or name == "Halide.h", f"{path}: {name} is not found"


FILES = {
    path: set(includes(path))
    for room in ROOMS
    for path in (ROOT / room).iterdir()
    if path.suffix in (".h", ".cpp")
}


def room_of(path):
    return str(path.parent.relative_to(ROOT))


def test_rooms_include_what_they_may():
    assert len(FILES) > 80
    for path, included in FILES.items():
        room = room_of(path)
        for other in map(room_of, included):
            assert other == room or other in ROOMS[room], f"{path.relative_to(ROOT)} includes a file of {other}"


def test_no_circle():
    done, under_way = set(), []

    def visit(path):
        assert path not in under_way, " -> ".join(file.name for file in [*under_way, path])
        if path in done:
            return
        under_way.append(path)
        for other in FILES.get(path, ()):
            visit(other)
        under_way.pop()
        done.add(path)

    for path in FILES:
        visit(path)
