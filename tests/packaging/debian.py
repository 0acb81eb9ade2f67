"""A small Debian (or Ubuntu) with Python and systemd, made by mmdebstrap.

It has the release, the package sources and the certificates of this machine.
"""

import platform
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.packaging.space import PROBE_LIMIT_S, Space, require_programs

PACKAGES: Final = ("dbus", "passwd", "python3-venv", "systemd", "systemd-sysv")
CERTIFICATES: Final = Path("/etc/ssl/certs/ca-certificates.crt")
TRUST: Final = {"SSL_CERT_FILE": str(CERTIFICATES)}
"""With these settings, programs in the small Debian trust what this machine trusts."""
UNREACHABLE: Final = re.compile(r"^E: (?:Failed|Unable) to fetch .*", re.MULTILINE)
LIMIT_S: Final = 140


def make_debian(space: Space) -> Path:
    """Make the archive of a root file system."""
    require_programs("apt-config", "mmdebstrap")
    if not CERTIFICATES.exists():
        pytest.skip("not on this machine: certificates")
    archive = space.folder / "debian.tar"
    folder = CERTIFICATES.parent
    done = space(
        "mmdebstrap",
        "--variant=essential",
        f"--include={','.join(PACKAGES)}",
        "--dpkgopt=force-unsafe-io",
        *(f"--dpkgopt=path-exclude=/usr/share/{it}/*" for it in ("doc", "locale", "man")),
        *(f"--aptopt={option}" for option in _ways_of_apt(space)),
        f'--customize-hook=mkdir -p "$1{folder}"',
        f"--customize-hook=copy-in {CERTIFICATES} {folder}",
        platform.freedesktop_os_release()["VERSION_CODENAME"],
        archive,
        *_sources_of_apt(),
        environment={"TMPDIR": str(space.folder)},
        limit_s=LIMIT_S,
    )
    if found := UNREACHABLE.search(done.stdout):
        pytest.skip(f"the packages of this machine cannot be fetched: {found[0]}")
    assert done.returncode == 0, done.stdout
    return archive


def _sources_of_apt() -> list[Path]:
    folder = Path("/etc/apt")
    found = [folder / "sources.list", *sorted((folder / "sources.list.d").glob("*"))]
    return [path for path in found if path.suffix in {".list", ".sources"} and path.exists()]


def _ways_of_apt(space: Space) -> Iterator[str]:
    """The proxies and certificates with which apt fetches."""
    yield 'Acquire::Languages "none"'
    for line in space("apt-config", "dump", limit_s=PROBE_LIMIT_S).stdout.splitlines():
        if line.startswith(("Acquire::http::", "Acquire::https::")):
            yield line.rstrip(";")
