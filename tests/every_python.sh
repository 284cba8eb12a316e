#!/usr/bin/env bash
# Runs the tests on every CPython from 3.12 on that pyenv or the PATH has; the project's own environment has the first.
# Each gets a virtual environment beside the project's, kept for the next run.
set -euo pipefail
cd "$(dirname "$0")/.."

tried=""
for candidate in "${PYENV_ROOT:-$HOME/.pyenv}"/versions/*/bin/python3 $(compgen -c python3. | grep -E '^python3\.[0-9]+$' | sort -u || true); do
  version=$("$candidate" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) || continue
  main=$(.venv/bin/python -c 'import sys; print("%d.%d" % sys.version_info[:2])')
  case " $tried $main " in *" $version "*) continue ;; esac
  if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    tried="$tried $version"
    echo "== Python $version"
    make --no-print-directory test PYTHON="$candidate" VENV=".venv-$version"
  fi
done
echo "tested besides the project's own:${tried:- none}"
