#!/usr/bin/env bash
# Build the virtual environment in .venv: with uv where it is installed, else with python3 -m venv.
set -euo pipefail
cd "$(dirname "$0")/.."

# EXTRAS names optional parts to install too, such as "helm" (a large library; CI sets it).
package="."
[ -z "${EXTRAS:-}" ] || package=".[${EXTRAS}]"

# Compiled once here: every command and worker is a process of its own, and where Python may not write bytecode
# (PYTHONDONTWRITEBYTECODE, as in many images) each would compile all of it again.
compile() { .venv/bin/python -m compileall -q freightway workflows activities adapters cli worker.py; }

fail() { printf 'setup: %s\n' "$1" >&2; exit 1; }

if command -v uv >/dev/null 2>&1; then
  [ -x .venv/bin/python ] || uv venv --quiet --python '>=3.11' .venv
  uv pip install --quiet --compile-bytecode --python .venv/bin/python -e "$package" --group dev
  compile
  exit
fi

python=""
for candidate in python3 python3.13 python3.12 python3.11; do
  if command -v "$candidate" >/dev/null 2>&1 &&
     "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    python=$candidate
    break
  fi
done
[ -n "$python" ] || fail "needs Python 3.11 or newer on the PATH"
command -v git >/dev/null 2>&1 || fail "needs git on the PATH"
if ! [ -x .venv/bin/python ]; then
  "$python" -m venv .venv || fail "could not make .venv; on Debian and Ubuntu: apt-get install python3-venv"
fi
# pip older than 25.1 does not know dependency groups
.venv/bin/python -m pip install --quiet --upgrade 'pip>=25.1'
.venv/bin/python -m pip install --quiet -e "$package" --group dev
compile
