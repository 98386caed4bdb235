"""Loaded by Python before a command begins: counts its file operations, and strikes at one of them.

``FAULTS_UNDER``: the folder whose files are meant. ``FAULTS_AT``: the operation before which the
process gets ``FAULTS_SIGNAL`` (SIGKILL unless given), from 1. ``FAULTS_IMPORT``: the module before
whose import it gets it. ``FAULTS_COUNT``: a file that is told the number of operations.
"""

import atexit
import os
import signal
import sys
from pathlib import Path

_UNDER = os.environ.get("FAULTS_UNDER", "")
_AT = int(os.environ.get("FAULTS_AT", "0"))
_IMPORT = os.environ.get("FAULTS_IMPORT", "")
_SIGNAL = int(os.environ.get("FAULTS_SIGNAL", signal.SIGKILL))
_TOLD = os.environ.get("FAULTS_COUNT")
_KINDS = {"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "os.chmod"}
_seen = 0
_struck = False


def _watch(event: str, args: tuple[object, ...]) -> None:
    global _seen
    if event == "import" and args[0] == _IMPORT:
        _strike()
    if event not in _KINDS or not _UNDER:
        return
    path = args[0]
    if isinstance(path, bytes):
        path = os.fsdecode(path)
    if not isinstance(path, str):
        return
    # Names relative to an open folder are those of a tree that is being removed.
    below_a_folder = event in ("os.remove", "os.rmdir") and args[-1] != -1
    if not below_a_folder and not os.path.abspath(path).startswith(_UNDER):  # noqa: PTH100
        return
    _seen += 1
    if _seen == _AT:
        _strike()


def _strike() -> None:
    global _struck
    if not _struck:
        _struck = True
        os.kill(os.getpid(), _SIGNAL)


def _tell() -> None:
    Path(_TOLD or "").write_text(str(_seen))


if _UNDER or _IMPORT:
    if _TOLD:
        atexit.register(_tell)
    sys.addaudithook(_watch)
