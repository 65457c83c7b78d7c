#!/usr/bin/env bash
# Writes requirements/*.txt again from pyproject.toml. Arguments go to uv: `ci/lock.sh --upgrade`.
# The files pin versions and hashes and must name no download host, so that they serve behind any mirror.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
command -v uv >/dev/null || { echo "ci/lock.sh: uv is not on PATH (pip install uv)" >&2; exit 1; }

compile() { # OUTPUT ARGUMENT...
    local output=$1
    shift
    uv pip compile --quiet --universal --generate-hashes --no-header --no-annotate \
        --python-version 3.11 pyproject.toml "$@" --output-file "requirements/$output"
    echo "requirements/$output: $(grep -c '==' "requirements/$output") packages"
}

# dev holds all the others; they take their versions from it, so any two can be installed together.
compile dev.txt --extra examples --group dev "$@"
compile examples.txt --extra examples --group build --constraint requirements/dev.txt
compile run.txt --constraint requirements/dev.txt
ci/hosts.sh
