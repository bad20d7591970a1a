"""What packages ship as configuration: told by the package manager, taken from the disk, or from the package fetched anew.

Python 2.7 and 3. dpkg and rpm keep digests of what they shipped, not the files; where the operator changed a file, its default
is in the package alone.
"""

import glob
import hashlib
import os
import shutil
import subprocess
import tarfile

from backup import said_by
from backup_files import ROOT, kept_paths

ARCHIVES = os.environ.get("STORMLIFT_ARCHIVES", "/var/cache/apt/archives")
_DIGESTS = {32: hashlib.md5, 40: hashlib.sha1, 64: hashlib.sha256}


def contents(path):
    """The bytes of PATH on this host, None where it is no file."""
    try:
        with open(ROOT + path, "rb") as opened:
            return opened.read()
    except EnvironmentError:
        return None


def is_digest(data, digest):
    """Whether DIGEST, of whatever kind the package manager wrote, is that of DATA."""
    make = _DIGESTS.get(len(digest))
    return make is not None and data is not None and make(data).hexdigest() == digest


def shipped(package):
    """Path to digest of the configuration that the installed PACKAGE shipped.

    An rpm's files count whether it calls them configuration or not: st2web's does not call config.js so.
    """
    found, ours = {}, set(kept_paths())
    for line in said_by("dpkg-query", "-W", "-f", "${Conffiles}\n", package).decode("utf-8", "replace").splitlines():
        words = line.split()
        if len(words) == 2:  # a third one says obsolete
            found[words[0]] = words[1]
    for line in said_by("rpm", "-q", "--dump", package).decode("utf-8", "replace").splitlines():
        words = line.split()
        if len(words) == 11 and words[4].startswith("010"):
            found[words[0]] = words[3]
    return dict((path, digest) for path, digest in found.items() if path in ours)


def from_package(package, version, wanted, aside):
    """Path to bytes of the WANTED paths, out of PACKAGE at VERSION, which is fetched into ASIDE where it is not in the cache.

    Returns with it why some could not be had, else "". Nothing is installed and no script runs.
    """
    if not os.path.isdir(aside):
        os.makedirs(aside, 0o700)
    try:
        dpkg = bool(said_by("dpkg-query", "--version"))
        where = _deb(package, version, aside) if dpkg else _rpm(package, version, aside)
        if not where:
            return {}, "the repositories no longer offer %s %s, or could not be reached" % (package, version)
        return (_of_deb(where, wanted) if dpkg else _of_rpm(where, wanted, aside)), ""
    except (EnvironmentError, tarfile.TarError) as error:
        return {}, "%s %s could not be unpacked: %s" % (package, version, getattr(error, "strerror", None) or type(error).__name__)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _deb(package, version, aside):
    name = "%s_%s_*.deb" % (package, version.replace(":", "%3a"))
    cached = glob.glob(os.path.join(ARCHIVES, name))
    if not cached:
        _quietly(["apt-get", "-q", "download", "%s=%s" % (package, version)], aside)
    return (cached or glob.glob(aside + "/*.deb") or [""])[0]


def _rpm(package, version, aside):
    name = "%s-%s" % (package, version.split(":")[-1])
    # What is installed is fetched by `reinstall` alone; yumdownloader need not be there.
    _quietly(["yum", "-y", "-q", "--downloadonly", "--downloaddir=" + aside, "reinstall", name], aside)
    return (glob.glob("%s/%s*.rpm" % (aside, name)) or [""])[0]


def _quietly(command, folder):
    """Run COMMAND; whether it did what it should is seen by what it leaves. yum 3 ends with 1 after a mere download.

    With the usual umask: what apt and yum write into their caches is read by others, too.
    """
    with open(os.devnull, "r+") as nowhere:
        try:
            subprocess.call(command, cwd=folder, stdin=nowhere, stdout=nowhere, stderr=nowhere, preexec_fn=_usual_umask)
        except EnvironmentError:
            return


def _usual_umask():
    os.umask(0o022)


def _of_deb(where, wanted):
    """Only what is WANTED is unpacked: the package is hundreds of MiB."""
    process = subprocess.Popen(["dpkg-deb", "--fsys-tarfile", where], stdout=subprocess.PIPE)
    found = {}
    archive = tarfile.open(fileobj=process.stdout, mode="r|")
    for member in archive:
        path = "/" + member.name.lstrip("./")
        if path in wanted and member.isreg():
            found[path] = archive.extractfile(member).read()
    process.stdout.read()
    process.wait()
    return found


def _of_rpm(where, wanted, aside):
    """With cpio where it is there, else with a database of rpm's own."""
    root = os.path.join(aside, "root")
    os.makedirs(root, 0o700)
    if said_by("cpio", "--version"):
        archive = subprocess.Popen(["rpm2cpio", where], stdout=subprocess.PIPE)
        command = ["cpio", "-idm", "--quiet", "--no-absolute-filenames"] + ["." + path for path in sorted(wanted)]
        with open(os.devnull, "w") as nowhere:
            subprocess.Popen(command, cwd=root, stdin=archive.stdout, stdout=nowhere, stderr=nowhere).wait()
        archive.stdout.close()
        archive.wait()
    else:
        flags = "--nodeps --noscripts --notriggers --nosignature --ignoreos --ignorearch".split()
        _quietly(["rpm", "--root", root, "-i"] + flags + [where], aside)
    found = {}
    for path in wanted:
        if os.path.isfile(root + path):
            with open(root + path, "rb") as opened:
                found[path] = opened.read()
    return found
