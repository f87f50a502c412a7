"""A network, names and containers of this test's own, in namespaces that `run.sh` has made. All of it ends with it."""

import os
import shlex
import signal
import subprocess
import time
from pathlib import Path

# The control planes are here; pods get the addresses that follow.
HOST = "10.244.0.1"


def run(*command, **options):
    """What a command prints. If it fails, so does the test, with what it says."""
    done = subprocess.run([str(part) for part in command], text=True, capture_output=True, **options)
    if done.returncode:
        raise RuntimeError(f"{shlex.join(str(part) for part in command)}: {done.stdout}{done.stderr}")
    return done.stdout


def until(what, condition, seconds=30, pause=0.2):
    """What `condition` returns, as soon as it is not false. An exception in it counts as not yet."""
    deadline, problem = time.monotonic() + seconds, ""
    while time.monotonic() < deadline:
        try:
            if result := condition():
                return result
        except Exception as error:  # noqa: BLE001 - whatever it is, it is told below
            problem = f": {error}"
        time.sleep(pause)
    raise TimeoutError(f"waited {seconds} s for {what}{problem}")


class Sandbox:
    """The machine on which everything runs. `folder` gets the logs, one file a process."""

    def __init__(self, folder, names):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.pods = 0
        run("mount", "-t", "tmpfs", "tmpfs", "/run")
        run("mkdir", "/run/netns")
        run("ip", "link", "set", "lo", "up")
        run("ip", "link", "add", "pods", "type", "bridge")
        run("ip", "address", "add", f"{HOST}/16", "dev", "pods")
        run("ip", "link", "set", "pods", "up")
        hosts = "".join(f"{address} {name}\n" for name, address in {"localhost": "127.0.0.1", **names}.items())
        # Nobody answers for names; what is not in the file is not there.
        for place, text in {"/etc/hosts": hosts, "/etc/resolv.conf": "nameserver 127.0.0.1\n"}.items():
            file = Path("/run") / Path(place).name
            file.write_text(text)
            run("mount", "--bind", file, place)

    def name(self, name, address):
        """Gives an address a name, for all that look it up from now on."""
        with Path("/run/hosts").open("a") as hosts:
            hosts.write(f"{address} {name}\n")

    def network(self):
        """A network namespace on the bridge: its name and its address."""
        self.pods += 1
        name, address = f"pod{self.pods}", f"10.244.1.{self.pods}"
        run("ip", "netns", "add", name)
        run("ip", "link", "add", f"v{name}", "type", "veth", "peer", "name", "eth0", "netns", name)
        run("ip", "link", "set", f"v{name}", "master", "pods", "up")
        run("ip", "-n", name, "address", "add", f"{address}/16", "dev", "eth0")
        for device in ("lo", "eth0"):
            run("ip", "-n", name, "link", "set", device, "up")
        return name, address

    def start(self, name, *command, environment=None, mounts=None, network=None):
        """A process. With `mounts` (a path → a folder) it has a root of its own, which is ours with these in addition."""
        command = [str(part) for part in command]
        if mounts is not None:
            root = Path("/run/roots") / name
            root.mkdir(parents=True, exist_ok=True)
            command = ["unshare", "--mount", "sh", "-euc", root_script(root, mounts, command)]
        if network:
            command = ["ip", "netns", "exec", network, *command]
        with (self.folder / f"{name}.log").open("ab") as log:
            return Process(name, command, {**os.environ, **(environment or {})}, log)


def root_script(root, mounts, command):
    """What makes the root of a container and runs its command there."""
    quoted = shlex.quote(str(root))
    lines = [
        f"mount -t tmpfs tmpfs {quoted}",
        f"cd {quoted}",
        'for place in /*; do if [ -L "$place" ]; then cp -P "$place" .; '
        'elif [ -d "$place" ]; then mkdir ".$place"; mount --rbind "$place" ".$place"; fi; done',
        # Envoys of several pods would meet there.
        "mount -t tmpfs tmpfs dev/shm",
    ]
    for place, folder in mounts.items():
        inside = shlex.quote(place.strip("/"))
        lines += [f"mkdir -p {inside}", f"mount --bind {shlex.quote(str(folder))} {inside}"]
    return "\n".join([*lines, f"exec chroot . {shlex.join(command)}"])


class Process:
    """A process that was started here."""

    def __init__(self, name, command, environment, log):
        self.name = name
        self.popen = subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )

    def runs(self):
        return self.popen.poll() is None

    def end(self, seconds=10):
        """Ends it: asked first, then not asked."""
        if self.runs():
            os.killpg(self.popen.pid, signal.SIGTERM)
            try:
                self.popen.wait(seconds)
            except subprocess.TimeoutExpired:
                os.killpg(self.popen.pid, signal.SIGKILL)
                self.popen.wait()
