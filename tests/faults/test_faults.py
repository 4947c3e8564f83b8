"""The command `halmix` where something goes wrong around it. Whatever does: a result is whole or not there, an older
one stays until then, the exit code is one of docs/command.md, each line on stderr names what it is about, and no
temporary file stays but of a run that was ended by force.

HALMIX_TEST_SCALE multiplies the runs that are ended at random moments.
"""

import os
import random
import re
import shutil
import signal
import subprocess
import threading
import time
from pathlib import Path

import pytest
from test_cli import (  # noqa: F401
    HALMIX,
    SANITIZED,
    SEED,
    bytes_of,
    failure,
    in_new_folder,
    limit,
    parted,
    picture,
    run,
)

SCALE = int(os.environ.get("HALMIX_TEST_SCALE", 1))
COMPARE = ("compare", "--sizes", "9x9", "--batches", "1", "--seconds", "0", "--target", "cpu-sse41")
ENDED_BY_FORCE = r"\.halmix-.*\.tmp"


def make_inputs(count=60):
    os.mkdir("in")
    for i in range(count):
        picture(96 + i % 7, 64, seed=i).save(f"in/{i}.png")


def results_of(seed):
    """What an undisturbed run gives."""
    run("augment", "in", "-o", f"all{seed}", "--seed", seed)
    return bytes_of(f"all{seed}")


def temporaries(folder="."):
    return [name for name in bytes_of(folder) if re.fullmatch(ENDED_BY_FORCE, os.path.basename(name))]


def assert_whole(folder, *expected):
    """Every file there is the result of one of the undisturbed runs; returns how many there are."""
    found = {name: data for name, data in bytes_of(folder).items() if not re.fullmatch(ENDED_BY_FORCE, name)}
    for name, data in found.items():
        assert any(data == all[name] for all in expected), f"{name} is none of the results"
    return len(found)


def lines_of(process):
    return parted(process.stderr)[0]


# ---- runs that are ended ----


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_ended_at_any_moment(number):
    """Runs with two seeds in turn, over the results of those before."""
    make_inputs()
    expected = [results_of(seed) for seed in (0, 1)]
    start = time.monotonic()
    run("augment", "in", "-o", "all0", "--threads", "2")
    duration = time.monotonic() - start
    moments = random.Random(SEED)
    interrupted = 0
    for attempt in range(30 * SCALE):
        command = [
            HALMIX,
            "augment",
            "in",
            "-o",
            "out",
            "--threads",
            "2",
            "--seed",
            str(attempt % 2),
            "--plan-out",
            "plans",
        ]
        process = subprocess.Popen(command, stderr=subprocess.PIPE)
        time.sleep(moments.uniform(0, duration))
        process.send_signal(number)
        _, error = process.communicate(timeout=30)
        assert process.returncode in (0, -number)
        interrupted += process.returncode != 0
        if os.path.isdir("out"):
            assert_whole("out", *expected)
        if os.path.exists("plans"):  # which is written last
            assert error == b"" and assert_whole("out", expected[attempt % 2]) == 60
            os.remove("plans")
        if number != signal.SIGKILL:
            assert not temporaries()
            # In the first moments signals are not waited for, and in the last all is done.
            said = r"halmix: interrupted; \d+ of 60 inputs are done\n"
            assert re.fullmatch(f"({said})?" if process.returncode else "", error.decode())
    assert interrupted >= 10 * SCALE, "the runs were over too soon; this test has shown nothing"
    run("augment", "in", "-o", "out", "--seed", 1)
    assert assert_whole("out", expected[1]) == 60


def test_time_is_up():
    """A run that has used the processor time it may have is ended by force."""
    make_inputs(1)
    picture(1000, 1000).save("in/0.png")
    for i in range(1, 40):
        shutil.copy("in/0.png", f"in/{i}.png")
    expected = results_of(0)
    command = [HALMIX, "augment", "in", "-o", "out", "--seed", "0"]
    ended = subprocess.run(command, preexec_fn=limit("RLIMIT_CPU", 1), capture_output=True, timeout=60)
    assert ended.returncode == -signal.SIGKILL and ended.stderr == b""
    assert_whole("out", expected)


def test_two_writers():
    make_inputs()
    expected = [results_of(seed) for seed in (0, 1)]
    for _ in range(5):
        commands = [[HALMIX, "augment", "in", "-o", "out", "--seed", seed] for seed in "01"]
        for process in [subprocess.Popen(command, stderr=subprocess.PIPE) for command in commands]:
            assert process.communicate(timeout=60)[1] == b"" and process.returncode == 0
        assert assert_whole("out", *expected) == 60 and not temporaries()


# ---- disks ----


def on_a_disk(options, *arguments):
    """Runs the command with a file system of its own at `disk`, that begins with what is there; gives the exit code,
    what is on stderr, and what is on the disk afterwards."""
    script = (
        "cp -a disk before && mount -t tmpfs -o size=300k tmpfs disk || exit 99; cp -a before/. disk; "
        '[ "$0" = rw ] || mount -o "remount,$0" disk || exit 99; "$@"; code=$?; cp -a disk after; exit $code'
    )
    namespace = ["unshare", "-m"] if os.getuid() == 0 else ["unshare", "-rm"]
    command = [*namespace, "sh", "-c", script, options, HALMIX, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, timeout=120)
    if not os.path.isdir("after"):
        pytest.skip(f"needs the right to mount: {done.stderr.decode().strip()}")
    after = bytes_of("after")
    shutil.rmtree("before")
    shutil.rmtree("after")
    return done.returncode, lines_of(done), after


def test_full_disk():
    picture(600, 600).save("in.png")
    picture(16, 16).save("small.png")
    os.mkdir("disk")
    shutil.copy("small.png", "disk/in.png")
    before = bytes_of("disk")
    full = "in.png: cannot be written: No space left on device; free some space"
    code, (line,), after = on_a_disk("rw", "augment", "in.png", "-o", "disk/in.png")
    assert code == 1 and line.startswith("disk/" + full) and after == before
    code, (line,), after = on_a_disk("rw", "augment", "in.png", "small.png", "-o", "disk", "--threads", 2)
    assert code == 1 and line.startswith("disk/" + full)
    assert sorted(after) == ["in.png", "small.png"] and after["in.png"] == before["in.png"]


def test_read_only_disk():
    picture().save("in.png")
    os.mkdir("disk")
    picture(16, 16).save("disk/old.png")
    before = bytes_of("disk")
    for arguments, named in (
        (("augment", "in.png", "-o", "disk/new.png"), "disk/new.png: cannot be written"),
        (("augment", "in.png", "-o", "disk/old.png"), "disk/old.png: cannot be written"),
        (("augment", "in.png", "-o", "disk/new/"), "disk/new/: cannot be created"),
        (("augment", "in.png", "-o", "out.png", "--plan-out", "disk/plan"), "disk/plan: cannot be written"),
        (("figure", "in.png", "-o", "disk/new.png"), "disk/new.png: cannot be written"),
        ((*COMPARE, "--json", "disk/new.json"), "disk/new.json: cannot be written"),
    ):
        code, (line,), after = on_a_disk("ro", *arguments)
        assert code == 1 and line.startswith(f"{named}: Read-only file system; "), line
        assert after == before


def writing():
    """Of each subcommand that writes, what it is called with, but for the file."""
    picture(300, 200).save("in.png")
    run("augment", "in.png", "-o", "out.png", "--plan-out", "plan.json")
    os.remove("out.png")
    return [
        ("augment", "in.png", "--format", "png", "-o"),
        ("augment", "in.png", "--format", "jpeg", "-o"),
        ("augment", "in.png", "-o", "out.png", "--plan-out"),
        ("apply", "in.png", "--ops", "equalize", "--format", "png", "-o"),
        ("replay", "in.png", "--plan", "plan.json", "--format", "png", "-o"),
        ("figure", "in.png", "-o"),
        (*COMPARE, "--json"),
    ]


def test_full_device():
    for arguments in writing():
        line = failure(*arguments, "/dev/full", code=1)
        assert line.startswith("/dev/full: cannot be written: No space left on device; free some space"), arguments
        assert not temporaries()


def test_file_size_is_limited():
    """A full disk that needs no rights: the second block of a file cannot be written, nor the first."""
    for arguments in writing():
        for size in 0, 100:
            name = "old.jpg" if "jpeg" in arguments else "old.png"
            with open(name, "w") as file:
                file.write("older")
            line = failure(*arguments, name, code=1, preexec_fn=limit("RLIMIT_FSIZE", size))
            assert re.match(r"(old|out)\.\w+: cannot be written: File too large; ", line), line
            assert open(name).read() == "older" and not temporaries()


# ---- limits ----


def outcome(*arguments, **how):
    """Of a run that may fail: the exit code, 0 or 1, and its line if it is 1."""
    done = subprocess.run([HALMIX, *map(str, arguments)], capture_output=True, timeout=60, **how)
    lines = lines_of(done)
    assert (done.returncode, len(lines)) in ((0, 0), (1, 1)), (done.returncode, lines)
    return done.returncode, "".join(lines)


def least(name, value, step):
    """The least limit with which the command starts at all: below, the system's loader fails."""
    while subprocess.run([HALMIX, "--version"], capture_output=True, preexec_fn=limit(name, value)).returncode != 0:
        value += step
    return value


@pytest.mark.skipif(SANITIZED, reason="sanitizers take address space of their own")
def test_memory_is_limited():
    """From the least that a program of its size starts with, up to enough."""
    picture(1500, 1000).save("in.png")
    run("augment", "in.png", "-o", "expected.png")
    step = 4 << 20
    size = least("RLIMIT_AS", step, step)
    refused = 0
    while True:
        code, line = outcome("augment", "in.png", "-o", "out.png", preexec_fn=limit("RLIMIT_AS", size))
        if code == 0:
            break
        assert re.match("(in|out).png: .*memory", line), line
        assert not os.path.exists("out.png") and not temporaries()
        size += step
        refused += 1
    assert refused > 3 and open("out.png", "rb").read() == open("expected.png", "rb").read()


def test_few_descriptors():
    make_inputs(8)
    expected = results_of(0)
    whole = []
    for count in range(least("RLIMIT_NOFILE", 3, 1), 12):
        process = subprocess.run(
            [HALMIX, "augment", "in", "-o", "out", "--threads", "4"],
            capture_output=True,
            timeout=60,
            preexec_fn=limit("RLIMIT_NOFILE", count),
        )
        lines = lines_of(process)
        assert process.returncode == (1 if lines else 0) and all("Too many open files" in line for line in lines), lines
        os.makedirs("out", exist_ok=True)
        whole.append(assert_whole("out", expected))
        assert not temporaries() and (lines or whole[-1] == 8)
        shutil.rmtree("out")
    assert whole[-1] == 8


def test_no_threads():
    """The work is done all the same. Root may start as many as it likes, so another user runs it."""
    os.chmod(".", 0o777)
    make_inputs(8)
    expected = results_of(0)
    someone = {"user": 65534, "group": 65534, "extra_groups": []} if os.getuid() == 0 else {}
    run("augment", "in", "-o", "out", "--threads", 8, preexec_fn=limit("RLIMIT_NPROC", 0), **someone)
    assert assert_whole("out", expected) == 8


CLOSED = [[stream for stream in range(3) if streams >> stream & 1] for streams in range(8)]


@pytest.mark.parametrize("closed", CLOSED)
def test_closed_streams(closed):
    """A file opened later must not take the number of a closed stream, or messages would be written to it."""

    def close():
        for stream in closed:
            os.close(stream)

    def called(*arguments):
        return subprocess.run([HALMIX, *arguments], preexec_fn=close, timeout=60, stdin=subprocess.DEVNULL).returncode

    picture().save("in.png")
    run("augment", "in.png", "-o", "expected.png", "--plan-out", "plan")
    assert called("augment", "in.png", "-o", "out.png", "--plan-out", "plans") == 0
    assert open("out.png", "rb").read() == open("expected.png", "rb").read()
    assert open("plans").read() == open("plan").read()
    assert called("augment", "missing.png", "in.png", "-o", "out", "--plan-out", "plans") == 1
    assert open("plans").read().count("\n") == 1 and os.listdir("out") == ["in.png"]
    assert called("augment", "/dev/stdin", "-o", "x.png") == 1
    assert called("--version") == (1 if 1 in closed else 0)
    for stream in closed:  # is not called done
        assert called("augment", "in.png", "-o", f"/dev/fd/{stream}", "--format", "png") == 1


# ---- inputs ----


def test_inputs_that_change():
    """Files are cut, overwritten, replaced and removed while the command reads them."""
    make_inputs(40)
    names = [f"in/{i}.png" for i in range(40)]
    first = [open(name, "rb").read() for name in names]
    versions, expected = [first, first[::-1]], []
    for version in versions:
        for name, data in zip(names, version):
            Path(name).write_bytes(data)
        run("augment", *names, "-o", f"all{len(expected)}")
        expected.append(bytes_of(f"all{len(expected)}"))

    def change(moments):
        i = moments.randrange(len(names))
        data = moments.choice(versions)[i]
        match moments.randrange(4):
            case 0:
                Path(names[i]).write_bytes(data)
            case 1:
                Path(names[i]).write_bytes(data[: moments.randrange(len(data))])
            case 2:
                Path("other").write_bytes(data)
                os.replace("other", names[i])
            case 3 if os.path.exists(names[i]):
                os.remove(names[i])

    moments = random.Random(SEED)
    done = problems = 0
    for _ in range(20 * SCALE):
        process = subprocess.Popen([HALMIX, "augment", *names, "-o", "out", "--threads", "2"], stderr=subprocess.PIPE)
        while process.poll() is None:
            change(moments)
        lines, _ = parted(process.stderr.read())
        assert process.returncode == (1 if lines else 0)
        usual = r"in/\d+\.png: (cannot be read: No such|is empty|is a damaged PNG|is not a JPEG)"
        assert not [line for line in lines if not re.match(usual, line)]
        assert assert_whole("out", *expected) == 40 - len(lines) and not temporaries()
        shutil.rmtree("out")
        done, problems = done + 40 - len(lines), problems + len(lines)
    assert done and problems, "too little has changed; this test has shown nothing"


def test_fifos():
    """A writer that ends early, and a reader that does."""
    picture(400, 300).save("in.png")
    data = open("in.png", "rb").read()
    os.mkfifo("fifo.png")
    for size, expected in (0, "is empty"), (1000, "damaged"), (len(data), ""):
        writer = threading.Thread(target=Path("fifo.png").write_bytes, args=(data[:size],))
        writer.start()
        code, line = outcome("augment", "fifo.png", "-o", "out.png")
        writer.join()
        assert expected in line and code == (1 if expected else 0)
    run("augment", "in.png", "-o", "expected.png", "--index", 0)
    assert open("out.png", "rb").read() == open("expected.png", "rb").read()
    reader = subprocess.Popen(["head", "-c", "1", "fifo.png"], stdout=subprocess.DEVNULL)
    done = subprocess.run([HALMIX, "augment", "in.png", "-o", "fifo.png"], capture_output=True, timeout=30)
    assert done.returncode == -signal.SIGPIPE and done.stderr == b"" and reader.wait() == 0


def test_long_names():
    """The longest name there is, and one that a view's number makes too long."""
    name = "y" * 251 + ".png"
    picture().save(name)
    run("augment", name, "-o", "out/")
    assert os.listdir("out") == [name]
    assert failure("augment", name, "-o", "views/", "--views", 2, code=1).count("File name too long")
    assert bytes_of("views") == {}
