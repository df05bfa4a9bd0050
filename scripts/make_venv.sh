#!/bin/sh
# Makes .venv with a Python of 3.11 or newer and a pip that knows dependency groups.
# PYTHON=/path/to/python chooses the interpreter.
set -eu
cd "$(dirname "$0")/.."

fits() { command -v "$1" >/dev/null 2>&1 && "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; }

python=""
for candidate in ${PYTHON:-python3 python3.13 python3.12 python3.11}; do
  if fits "$candidate"; then python=$candidate && break; fi
done
if [ -z "$python" ]; then
  echo "make: Python 3.11 or newer is needed and was not found; install it, or set PYTHON=/path/to/python." >&2
  exit 1
fi

# Debian keeps ensurepip in a package of its own.
if ! "$python" -c 'import ensurepip' >/dev/null 2>&1; then
  version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
  sh scripts/system_packages.sh "virtual environments" "python$version-venv=/usr/lib/python$version/ensurepip/__init__.py"
fi

echo "Making .venv with $("$python" --version) ..."
"$python" -m venv .venv
.venv/bin/python -m pip install --quiet --upgrade "pip>=25.1"  # --group came with 25.1
