"""Prints how long units take: 200 MB deployed, a jar redeployed with one changed class, 10,000 units listed.

Sent bytes are counted by a proxy between client and node. The speed of the disk is printed beside, because a deploy
ends when the disk has it.
"""

import os
import random
import socket
import statistics
import sys
import tempfile
import threading
import time
import zipfile
from pathlib import Path

import haulier

ROUNDS = 5


class CountingProxy:
    """Passes connections on to a node, and counts what clients send."""

    def __init__(self, target):
        """Listen on a free port for connections to `target`, host:port."""
        host, port = target.rsplit(":", 1)
        self.target = host, int(port)
        self.sent = 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        """Accept connections until the process ends."""
        while True:
            client, _ = self.listener.accept()
            node = socket.create_connection(self.target)
            for one in (client, node):
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for source, target, counted in ((client, node, True), (node, client, False)):
                threading.Thread(target=self.copy, args=(source, target, counted), daemon=True).start()

    def copy(self, source, target, counted):
        """Copy bytes until one side ends."""
        try:
            while data := source.recv(1 << 18):
                if counted:
                    self.sent += len(data)
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            source.close()
            target.close()


def write_jar(path, classes, size, changed=None, compress=zipfile.ZIP_DEFLATED, seed=1):
    """Write a jar of `classes` files of `size` bytes, half of them random; one of them differs when `changed` says."""
    with zipfile.ZipFile(path, "w", compress) as jar:
        for number in range(classes):
            noise = random.Random(seed * 1_000_003 + number)
            half = size if compress == zipfile.ZIP_STORED else size // 2
            body = noise.randbytes(half) + bytes(size - half)
            if number == changed:
                body = b"changed" + body[7:]
            jar.writestr(
                zipfile.ZipInfo(f"com/acme/p{number // 100}/C{number}.class", (2026, 1, 1, 0, 0, 0)), body, compress
            )


def disk_seconds(folder, size):
    """Return how long the disk takes to write and sync `size` random bytes."""
    data = os.urandom(1 << 20)
    path = Path(folder, "speed")
    begun = time.perf_counter()
    with path.open("wb") as file:
        for _ in range(size >> 20):
            file.write(data)
        file.flush()
        os.fsync(file.fileno())
    seconds = time.perf_counter() - begun
    path.unlink()
    return seconds


def timed(call):
    """Return how long a call takes, in seconds."""
    begun = time.perf_counter()
    call()
    return time.perf_counter() - begun


def large(cluster, work, files):
    """Deploy 200 MB in so many files, content that the node has not seen, several times."""
    times = []
    for seed in range(ROUNDS):
        size = 200_000_000 // files
        write_jar(work / "large.jar", files, size, compress=zipfile.ZIP_STORED, seed=100 * files + seed)
        # A name of its own: of an earlier version with a large file, chunks would be compared.
        name = f"large-{files}-{seed}"
        times.append(timed(lambda name=name: cluster.deploy(name, "1.0", work / "large.jar")))
    disk = disk_seconds(work, 200 << 20)
    print(
        f"200 MB in {files:,} new files deployed to one node: {statistics.median(times):.2f} s "
        f"({min(times):.2f}-{max(times):.2f}), bar 0.6 s; write and sync of 200 MiB on this disk {disk:.2f} s"
    )


def delta(cluster, proxy, work):
    """Redeploy a jar of 20 MB in which one class has changed."""
    write_jar(work / "lib.jar", 4000, 10_000)
    size = (work / "lib.jar").stat().st_size
    cluster.deploy("lib", "1.0", work / "lib.jar")
    times, sent = [], []
    for change in range(1, 2 * ROUNDS + 1):
        write_jar(work / "lib.jar", 4000, 10_000, changed=change)
        before = proxy.sent
        times.append(timed(lambda: cluster.deploy("lib", "1.0", work / "lib.jar", replace=True)))
        sent.append(proxy.sent - before)
    before = proxy.sent
    second = timed(lambda: cluster.deploy("other", "1.0", work / "lib.jar"))
    print(
        f"jar of {size / 1e6:.0f} MB redeployed with one changed class: {statistics.median(times):.3f} s "
        f"({min(times):.3f}-{max(times):.3f}), {max(sent) / 1000:.0f} KB sent; bars 0.06 s, 300 KB"
    )
    print(f"the same jar as a second unit: {second:.3f} s, {(proxy.sent - before) / 1000:.0f} KB sent")


def many(cluster, work, count):
    """Deploy small units, and list them."""
    module = work / "small.py"
    begun = time.perf_counter()
    for number in range(count):
        module.write_text(f"NUMBER = {number}\n")
        cluster.deploy(f"small-{number}", "1.0", module, nodes="one")
    deploy = (time.perf_counter() - begun) / count
    times = [timed(cluster.list_deployments) for _ in range(ROUNDS)]
    print(
        f"{count:,} units listed: {statistics.median(times) * 1000:.0f} ms, bar 50 ms; "
        f"deployed at {deploy * 1000:.1f} ms each"
    )


def main():
    """Run all of it against the node at HAULIER_ADDRESS."""
    print(f"durability: {os.environ.get('HAULIER_DURABILITY', 'machine')} (HAULIER_DURABILITY says another)")
    proxy = CountingProxy(os.environ["HAULIER_ADDRESS"])
    with tempfile.TemporaryDirectory() as folder, haulier.connect(proxy.address) as cluster:
        work = Path(folder)
        delta(cluster, proxy, work)
        with haulier.connect(os.environ["HAULIER_ADDRESS"]) as direct:
            large(direct, work, 4000)
            large(direct, work, 1)
            many(direct, work, int(sys.argv[1]) if sys.argv[1:] else 10_000)


if __name__ == "__main__":
    main()
