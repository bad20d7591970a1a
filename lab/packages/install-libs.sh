#!/bin/sh
# install-libs.sh WHEELDIR TARGET: Mistral's third-party libraries from WHEELDIR into TARGET, offline and without pip.
# A wheel is a zip file: unpacked side by side, their dist-info folders give stevedore its entry points.
set -eu
[ $# -eq 2 ] || { echo "usage: $0 WHEELDIR TARGET" >&2; exit 2; }
mkdir -p "$2"
exec python3.11 - "$1" "$2" <<'PYTHON'
import compileall
import pathlib
import shutil
import sys
import zipfile

wheels, target = (pathlib.Path(name) for name in sys.argv[1:])
found = sorted(path for path in wheels.glob("*.whl") if not path.name.startswith("mistral-"))
if not found:
    sys.exit(f"install-libs: no wheels in {wheels}")
for wheel in found:
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            # Test suites are a third of the weight and are never imported.
            if not {"tests", "test"} & set(pathlib.PurePosixPath(name).parts):
                archive.extract(name, target)
    # What a wheel wants in a library path stands in its .data folder.
    for extra in target.glob("*.data"):
        for kind in ("purelib", "platlib"):
            if (extra / kind).is_dir():
                shutil.copytree(extra / kind, target, dirs_exist_ok=True)
        shutil.rmtree(extra)
# Old code fails to compile here and there (Python 2 only branches that nothing imports): not an error.
compileall.compile_dir(str(target), quiet=2, workers=0)
print(f"install-libs: {len(found)} libraries in {target}")
PYTHON
