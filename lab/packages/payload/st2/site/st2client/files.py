"""Files that hold what is to be loaded."""

import json
from pathlib import Path
from typing import Any


def read(path: Path) -> list[dict[str, Any]]:
    """What a file of JSON or YAML, told apart by its name, holds: many things, or one."""
    if not path.is_file():
        raise ValueError(f'File "{path}" doesn\'t exist')
    if path.suffix == ".json":
        found = json.loads(path.read_text())
    elif path.suffix in (".yaml", ".yml"):
        import yaml  # most programs never meet one

        found = yaml.safe_load(path.read_text())
    else:
        raise ValueError(f"Unsupported meta type {path.suffix}, only .json, .yaml and .yml are supported")
    return found if isinstance(found, list) else [found]
