"""What `make deb` and `make install` put on a machine, and that it goes away again."""

import gzip
import json
import os
import re
import signal
import subprocess
from pathlib import Path

import pytest

import processes
from daemon import REPOSITORY, sleeping_double
from daemon import executable as executable_of_tests

STATIC = REPOSITORY / ".build" / "dist" / "ondemandd-static"


def run(*command, **options):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=60, **options)
    assert done.returncode == 0, f"{command} exited with {done.returncode}: {done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def executable():
    assert STATIC.exists(), f"{STATIC} is not there; run `make release`."
    return STATIC


@pytest.fixture(scope="module")
def package(executable, tmp_path_factory):
    folder = tmp_path_factory.mktemp("package")
    run(REPOSITORY / "packaging" / "build-deb", executable, folder)
    (file,) = folder.glob("*.deb")
    return file


def test_the_executable_needs_no_library_and_runs_in_an_empty_root(executable, tmp_path):
    (tmp_path / "ondemandd").write_bytes(executable.read_bytes())
    (tmp_path / "ondemandd").chmod(0o755)
    (tmp_path / "proc").mkdir()
    # What every container has, and nothing else.
    inside = 'mount -t proc proc "$1/proc" && exec chroot "$1" /ondemandd --version'
    assert run("unshare", "--mount", "sh", "-c", inside, "sh", tmp_path).startswith("ondemandd ")


def test_the_executable_is_one_file_of_at_most_ten_megabytes(executable, measured):
    size = executable.stat().st_size
    measured("the static executable", f"{size / 1e6:.1f} MB")
    assert size <= 10_000_000


def unwritten_kib(pid, executable):
    """Resident pages of the executable's writable segment that the process has not written."""
    kib, is_writable = 0, False
    for line in Path(f"/proc/{pid}/smaps").read_text().splitlines():
        if mapping := re.match(r"[0-9a-f]+-[0-9a-f]+ (\S+) .* (\S*)$", line):
            is_writable = "w" in mapping[1] and mapping[2] == str(executable)
        elif is_writable and line.startswith(("Private_Clean:", "Shared_Clean:")):
            kib += int(line.split()[1])
    return kib


def test_asleep_the_executable_keeps_no_data_that_only_a_configuration_needed(
    executable, start, monkeypatch, measured
):
    monkeypatch.setenv("ONDEMANDD", str(executable))
    # One access maps a whole folio, and the folios of a new file are large: this drops it from the page cache.
    run("sync", executable)
    run("dd", f"if={executable}", "iflag=nocache", "count=0", "status=none")
    daemon = start(sleeping_double(idle_timeout="100ms"))

    def releases_its_data(moment):
        processes.eventually(
            lambda: unwritten_kib(daemon.pid, executable) <= 256, within=5, every=0.05,
            what=f"a daemon that has released the unwritten pages of its data {moment}")
        measured(f"the static executable asleep, {moment}: resident", f"{processes.resident_kib(daemon.pid)} KiB")

    releases_its_data("after the start")
    for generation in 1, 2:
        daemon.open_tunnel().close()
        daemon.wait_for("stopped", generation=generation)
        daemon.signal(signal.SIGHUP)
        daemon.wait_for_count(generation, "reloaded")
        releases_its_data(f"after {generation} lives and reloads")


def test_the_package_says_what_it_is_and_depends_on_nothing(package):
    fields = run("dpkg-deb", "--field", package)
    version = run(STATIC, "--version").split()[-1]
    assert f"Version: {version}\n" in fields
    assert "Depends:" not in fields, "a static executable needs no other package"
    contents = run("dpkg-deb", "--contents", package)
    assert "root/root" in contents
    assert all(line.split()[1] == "root/root" for line in contents.splitlines())


def test_the_package_installs_runs_and_leaves(package):
    assert os.geteuid() == 0, "installing a package needs root, as in continuous integration"
    try:
        run("dpkg", "--install", package)
        assert run("ondemandd", "--version", env={"PATH": "/usr/bin"}).startswith("ondemandd ")
        run("ondemandd", "--check", "--config", "/etc/ondemandd/ondemandd.json")
        run("getent", "passwd", "ondemandd")
        page = gzip.decompress(Path("/usr/share/man/man8/ondemandd.8.gz").read_bytes())
        assert b".Nm ondemandd" in page
        for file in [
            "/usr/lib/systemd/system/ondemandd.service",
            "/usr/lib/systemd/system/ondemandd.socket",
            "/usr/share/bash-completion/completions/ondemandd",
            "/usr/share/zsh/vendor-completions/_ondemandd",
            "/usr/share/fish/vendor_completions.d/ondemandd.fish",
            "/usr/share/doc/ondemandd/copyright",
        ]:
            assert Path(file).is_file(), file
        written = Path("/etc/ondemandd/ondemandd.json")
        assert "$defs" in json.loads(Path(json.loads(written.read_text())["$schema"]).read_text())
        configuration = written.stat()
        assert configuration.st_mode & 0o777 == 0o640, "it may hold secrets"
    finally:
        run("dpkg", "--purge", "ondemandd")
    assert not Path("/usr/bin/ondemandd").exists()
    assert not Path("/etc/ondemandd").exists()


def test_systemd_finds_nothing_wrong_with_the_units_and_takes_them_for_hardened(package, executable, tmp_path):
    unpacked = tmp_path / "unpacked"
    run("dpkg-deb", "--extract", package, unpacked)
    for folder, program in [(REPOSITORY / "examples" / "systemd", "/usr/local/bin/ondemandd"),
                            (unpacked / "usr" / "lib" / "systemd" / "system", "/usr/bin/ondemandd")]:
        units = tmp_path / folder.name
        units.mkdir()
        for unit in ["ondemandd.service", "ondemandd.socket"]:
            text = (folder / unit).read_text()
            assert unit.endswith("socket") or text.count(program) == 2
            (units / unit).write_text(text.replace(program, str(executable)))
        names = [units / "ondemandd.service", units / "ondemandd.socket"]
        found = subprocess.run(["systemd-analyze", "verify", "--man=no", *names], capture_output=True, text=True)
        assert (found.returncode, found.stderr) == (0, "")
        rated = run("systemd-analyze", "security", "--offline=true", names[0])
        assert float(re.search(r"exposure level for \S+: ([0-9.]+)", rated)[1]) <= 3


def test_a_changed_configuration_survives_an_upgrade(package):
    try:
        run("dpkg", "--install", package)
        file = Path("/etc/ondemandd/ondemandd.json")
        mine = file.read_text().replace("28080", "28081")
        file.write_text(mine)
        run("dpkg", "--force-confdef", "--install", package)
        assert file.read_text() == mine
    finally:
        run("dpkg", "--purge", "ondemandd")


def test_make_install_fills_a_prefix(executable, tmp_path):
    run("make", "install", f"DESTDIR={tmp_path}", "PREFIX=/opt/ondemandd", cwd=REPOSITORY)
    assert run(tmp_path / "opt/ondemandd/bin/ondemandd", "--version").startswith("ondemandd ")
    assert (tmp_path / "opt/ondemandd/share/man/man8/ondemandd.8.gz").is_file()


def test_what_is_installed_to_be_read_leads_to_what_is_installed(executable, tmp_path):
    run("make", "install", f"DESTDIR={tmp_path}", "PREFIX=/usr", cwd=REPOSITORY)
    root = tmp_path / "usr/share/doc/ondemandd"
    pages = list(root.rglob("*.md"))
    assert {"README.md", "OPERATING.md", "RAILS.md", "API.md"} <= {page.name for page in pages}
    for page in pages:
        for target in re.findall(r"\]\(([^)\s#:]+)(?:#[^)]*)?\)", page.read_text()):
            # For those who have the sources.
            if not target.startswith("../Tests/"):
                assert (page.parent / target).exists(), f"{page.relative_to(root)} leads to {target}"


def test_the_manual_page_and_the_completions_are_well_formed():
    packaging = REPOSITORY / "packaging"
    warnings = run("mandoc", "-T", "lint", "-W", "warning", packaging / "ondemandd.8")
    assert warnings == ""
    run("bash", "-n", packaging / "completions" / "ondemandd.bash")
    run("zsh", "-n", packaging / "completions" / "_ondemandd")
    run("fish", "-n", packaging / "completions" / "ondemandd.fish")


def completions(line):
    """What bash would offer behind this line."""
    words = line.split(" ")
    script = f"""
        source {REPOSITORY}/packaging/completions/ondemandd.bash
        ondemandd() {{ echo '{{"services":[{{"name":"cable","state":"asleep"}},{{"name":"api"}}]}}'; }}
        COMP_WORDS=({' '.join(f"'{word}'" for word in words)}); COMP_CWORD={len(words) - 1}
        _ondemandd; printf '%s\\n' "${{COMPREPLY[@]}}" """
    return run("bash", "-c", script).split()


def test_bash_completes_commands_and_the_names_of_services():
    assert {"status", "start", "check"} <= set(completions("ondemandd "))
    assert completions("ondemandd sta") == ["status", "start"]
    assert completions("ondemandd start ca") == ["cable"]
    assert completions("ondemandd config s") == ["schema", "show"]
    assert "--json" in completions("ondemandd config show -")


def test_the_manual_page_and_the_completions_know_exactly_the_commands_there_are():
    known = set(re.findall(r"^  ([a-z]+) ", run(executable_of_tests(), "--help"), re.MULTILINE))
    assert {"check", "status", "logs"} <= known
    packaging = REPOSITORY / "packaging"
    page = (packaging / "ondemandd.8").read_text()
    told = {word for line in re.findall(r"^\.(?:It )?Cm (.+)$", page, re.MULTILINE) for word in re.findall("[a-z-]+", line)}
    assert known - told == set(), "the manual page says nothing of these"
    assert told - known <= {"rails-actioncable", "generic", "cable", "schema", "show"}, "the manual page knows what there is not"
    assert set(completions("ondemandd ")) == known | {"--config", "--help", "--version"}
    zsh = (packaging / "completions" / "_ondemandd").read_text()
    assert set(re.findall(r"^ {8}'([a-z]+):", zsh, re.MULTILINE)) == known
    fish = (packaging / "completions" / "ondemandd.fish").read_text()
    assert set(re.findall(r"__fish_use_subcommand -a ([a-z]+) ", fish)) == known
