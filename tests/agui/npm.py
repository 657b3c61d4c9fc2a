"""Gives npm an order in a folder, once for each state of the folder."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path

CLEAN_INSTALL = ("ci", "--ignore-scripts", "--no-audit", "--no-fund")


def once(folder: Path, stamp: Path, state: str, *order: str) -> None:
    """Give npm an order, unless the stamp has this state already; raises with npm's own words when it fails."""
    if stamp.is_file() and stamp.read_text() == state:
        return
    npm = shutil.which("npm")
    if npm is None:
        raise RuntimeError("npm is not installed: the TypeScript client and the pages need Node 20.19 or newer")
    done = subprocess.run([npm, *order], cwd=folder, capture_output=True, text=True, timeout=300)
    if done.returncode:
        raise RuntimeError(f"`npm {' '.join(order)}` failed in {folder}:\n{done.stdout}\n{done.stderr}")
    stamp.write_text(state)


def hash_of(*files: Path) -> str:
    """Return what names the content of files."""
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
