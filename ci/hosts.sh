#!/usr/bin/env bash
# Fails when a committed file records where packages are downloaded from: an index, a mirror, a file host or a local path.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

hosts='pypi\.org|pythonhosted\.org|registry\.(npmjs|yarnpkg)\.(org|com)|anaconda\.org/|/simple/?(["'\'' ]|$)'
options='^[[:space:]]*(-i|--(extra-)?index(-url)?|-f|--find-links|--trusted-host)[ =]'
lock='"resolved"[[:space:]]*:|^[^#]* @ (file|https?):'

if git rev-parse --is-inside-work-tree >/dev/null 2>&1; then
    list() { git ls-files -z --cached --others --exclude-standard; }
else # a source archive
    list() { find . -type f -not -path './.venv/*' -not -path './.bench/*' -print0; }
fi

found=$(list | grep -zvE '(^|/)(ci/hosts\.sh|LICENSE)$' | xargs -0 grep -nIE "$hosts|$options" -- 2>/dev/null || true)
found+=$(list | grep -zE '\.(txt|lock|json)$' | xargs -0 -r grep -nIE "$lock" -- 2>/dev/null || true)
if [ -n "$found" ]; then
    printf 'these lines record a package host; take it out (see ci/lock.sh):\n%s\n' "$found" >&2
    exit 1
fi
