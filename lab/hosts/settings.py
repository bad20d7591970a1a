"""settings.py FILE SECTION KEY=VALUE...: set options in an ini file, comments and order kept, as an editor would."""

import sys
from pathlib import Path


def with_options(text: str, section: str, options: dict[str, str]) -> str:
    """The text with the options set in their section; what is missing is added at the section's start."""
    left = dict(options)
    lines: list[str] = []
    inside = False
    header = -1
    for line in text.splitlines():
        if line.startswith("["):
            inside = line.strip() == f"[{section}]"
            header = len(lines) if inside else header
        key = line.split("=", 1)[0].strip()
        if inside and "=" in line and key in options:
            if key in left:
                lines.append(f"{key} = {left.pop(key)}")
            continue
        lines.append(line)
    if header < 0:
        header = len(lines)
        lines.append(f"[{section}]")
    lines[header + 1 : header + 1] = [f"{key} = {value}" for key, value in left.items()]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    path = Path(sys.argv[1])
    pairs = [(key, value) for key, _, value in (argument.partition("=") for argument in sys.argv[3:])]
    path.write_text(with_options(path.read_text(), sys.argv[2], dict(pairs)))
