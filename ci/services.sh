#!/usr/bin/env bash
# Real services for tests: private, throw-away, on 127.0.0.1 only.
#
#   ci/services.sh up NAME...    starts each and prints one `export PENSTOCK_TEST_<NAME>=<address>` per service that answers
#   ci/services.sh down NAME...  stops each and removes what it kept; stopping what is not up is fine
#   ci/services.sh names         lists the names known
#
#   eval "$(ci/services.sh up postgres)"
#
# A service that cannot be had is one line on stderr and exit code 1; the others are started all the same.
# Everything lives below PENSTOCK_SERVICES (default: a directory of this user's own below /tmp).
# To add a service NAME write two functions: up_NAME (start it, wait until it answers, print its address) and down_NAME.
set -uo pipefail

root=${PENSTOCK_SERVICES:-/tmp/penstock-services-$(id -u)}

say() { echo "ci/services.sh: $*" >&2; }

have() { # PACKAGE: install it where that is possible without asking anybody
    if ! command -v apt-get >/dev/null || [ "$(id -u)" != 0 ]; then
        say "apt package $1 is missing and only root on Debian can install it here"
        return 1
    fi
    local get=(env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0)
    "${get[@]}" install -y --no-install-recommends "$1" >/dev/null 2>&1 && return
    "${get[@]}" update >/dev/null 2>&1
    "${get[@]}" install -y --no-install-recommends "$1" >/dev/null || { say "apt could not install $1"; return 1; }
}

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

# --- PostgreSQL -----------------------------------------------------------------------------------------------------

postgres_bin() { # the newest of Debian's, else what is on PATH
    local newest
    newest=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1)
    [ -x "$newest/initdb" ] || newest=$(dirname "$(command -v initdb 2>/dev/null)" 2>/dev/null)
    [ -x "$newest/initdb" ] && echo "$newest"
}

as_postgres() { # PostgreSQL refuses to run as root
    if [ "$(id -u)" = 0 ]; then
        (cd / && exec setpriv --reuid=postgres --regid=postgres --init-groups "$@")
    else
        "$@"
    fi
}

up_postgres() {
    local bin dir=$root/postgres port
    bin=$(postgres_bin) || { have postgresql && bin=$(postgres_bin); } || return 1
    mkdir "$dir" && chmod 700 "$dir" || return 1
    [ "$(id -u)" != 0 ] || chown postgres: "$dir"
    port=$(free_port)
    # Nothing here outlives a test, so nothing waits for the disk.
    as_postgres "$bin/initdb" --pgdata="$dir/data" --auth=trust --username=postgres --encoding=UTF8 \
        --locale=C.UTF-8 --no-sync >/dev/null || return 1
    as_postgres "$bin/pg_ctl" --pgdata="$dir/data" --log="$dir/log" --wait --silent start --options="-p $port -k $dir \
        -c listen_addresses=127.0.0.1 -c fsync=off -c synchronous_commit=off -c full_page_writes=off" \
        >/dev/null || { tail -n 5 "$dir/log" >&2; return 1; }
    echo "postgresql://postgres@127.0.0.1:$port/postgres"
}

down_postgres() {
    local dir=$root/postgres
    if [ -e "$dir/data/postmaster.pid" ]; then
        as_postgres "$(postgres_bin)/pg_ctl" --pgdata="$dir/data" --mode=immediate --wait --silent stop >/dev/null || return 1
    fi
    rm -rf "$dir"
}

# --- what is asked for -----------------------------------------------------------------------------------------------

names() { declare -F | sed -n 's/^declare -f up_//p'; }

usage() {
    say "usage: ci/services.sh up|down NAME... | names; the names are: $(names | paste -sd ' ')"
    exit 2
}

action=${1:-}
case $action in
    names) names; exit ;;
    up | down) shift ;;
    *) usage ;;
esac
for name in "$@"; do
    names | grep -qxF -- "$name" || usage
done
[ $# -gt 0 ] || exit 0

# Readable by all: the postgres account must pass. Never trust a directory that someone else made.
mkdir -p -m 755 "$root" && [ -O "$root" ] || { say "$root belongs to someone else; set PENSTOCK_SERVICES"; exit 1; }

failed=0
for name in "$@"; do
    if [ "$action" = down ]; then
        "down_$name" || { say "$name could not be stopped"; failed=1; }
    elif "down_$name" && address=$("up_$name"); then
        echo "export PENSTOCK_TEST_${name^^}=$address"
    else
        say "$name could not be started; its tests are skipped (with CI=true they fail)"
        failed=1
    fi
done
[ "$action" = up ] || rmdir "$root" 2>/dev/null
exit $failed
