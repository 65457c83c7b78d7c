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
# moto is run by PENSTOCK_PYTHON (default: python3), which must have it; rgw is installed by root on Debian (20 s, once).
# Everything lives below PENSTOCK_SERVICES (default: a directory of this user's own below /tmp).
# To add a service NAME write two functions: up_NAME (start it, wait until it answers, print its address) and down_NAME.
set -uo pipefail

root=${PENSTOCK_SERVICES:-/tmp/penstock-services-$(id -u)}

say() { echo "ci/services.sh: $*" >&2; }

have() { # PACKAGE...: install them where that is possible without asking anybody
    if ! command -v apt-get >/dev/null || [ "$(id -u)" != 0 ]; then
        say "apt package $1 is missing and only root on Debian can install it here"
        return 1
    fi
    local get=(env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0)
    "${get[@]}" install -y --no-install-recommends "$@" >/dev/null 2>&1 && return
    "${get[@]}" update >/dev/null 2>&1
    "${get[@]}" install -y --no-install-recommends "$@" >/dev/null || { say "apt could not install $*"; return 1; }
}

end() { # PIDFILE NAME: kill the process that wrote the file and wait until it is gone; a zombie counts as gone
    local pid state
    pid=$(head -n 1 "$1" 2>/dev/null) && [ -n "$pid" ] || return 0
    case $(cat "/proc/$pid/comm" 2>/dev/null) in "$2"*) kill -KILL "$pid" 2>/dev/null ;; *) return 0 ;; esac
    for _ in $(seq 100); do
        state=$(sed 's/.*) //' "/proc/$pid/stat" 2>/dev/null | cut -c1)
        [ -z "$state" ] || [ "$state" = Z ] && return 0
        sleep .05
    done
    return 1
}

answers() { # URL: wait half a minute or longer until a server answers there
    for _ in $(seq 300); do
        python3 -c 'import sys, urllib.request as u; u.urlopen(sys.argv[1], timeout=5)' "$1" 2>/dev/null && return
        sleep .1
    done
    return 1
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

# --- moto: a mock of S3 that follows the newest rules, run by the Python that runs the tests ----------------------------

up_moto() {
    local dir=$root/moto port python=${PENSTOCK_PYTHON:-python3}
    "$python" -c 'import moto.server, flask_cors' 2>/dev/null || { say "moto is not installed for $python"; return 1; }
    mkdir "$dir" || return 1
    port=$(free_port)
    setsid "$python" -m moto.server -H 127.0.0.1 -p "$port" >"$dir/log" 2>&1 </dev/null &
    echo $! >"$dir/pid"
    answers "http://127.0.0.1:$port/moto-api/" || { tail -n 5 "$dir/log" >&2; return 1; }
    echo "http://test:test@127.0.0.1:$port"
}

down_moto() {
    end "$root/moto/pid" python || return 1
    rm -rf "$root/moto"
}

# --- Ceph's RADOS Gateway: a real S3 server on one monitor and one store in memory ---------------------------------------

ceph_conf() { # DIR PORT MONITOR_PORT MONITOR_PORT
    cat <<CONF
[global]
fsid = $(cat /proc/sys/kernel/random/uuid)
mon host = [v2:127.0.0.1:$3,v1:127.0.0.1:$4]
public addr = 127.0.0.1
cluster addr = 127.0.0.1
auth cluster required = none
auth service required = none
auth client required = none
run dir = $1
admin socket = $1/\$name.asok
pid file = $1/\$name.pid
log file = $1/\$name.log
log to stderr = false
keyring = $1/keyring
crash dir = $1
osd crush chooseleaf type = 0
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 4
osd pool default pgp num = 4
osd pool default pg autoscale mode = off
mon allow pool size one = true
mon max pg per osd = 1000
mon data avail crit = 1
mon data avail warn = 2
mon osd crush smoke test = false
# Without these no daemon comes to terms with the monitor, although nothing asks for a key.
ms mon client mode = crc secure
ms mon service mode = crc secure
ms bind ipv6 = false
# A monitor that waits as long as usual makes the start ten times as long.
paxos propose interval = 0.02
paxos min wait = 0.01
[mon]
mon data = $1/mon
[osd]
osd data = $1/osd
osd objectstore = memstore
memstore device bytes = 4294967296
osd max object size = 1G
[client.rgw]
auth client required = none
ms mon client mode = crc secure
rgw frontends = beast endpoint=127.0.0.1:$2
rgw data = $1
rgw thread pool size = 64
rgw enable ops log = false
CONF
}

up_rgw() {
    local dir=$root/rgw port number uuid
    command -v ceph-mon ceph-osd radosgw radosgw-admin >/dev/null || have ceph-mon ceph-osd radosgw || return 1
    mkdir -p "$dir"/{mon,osd} || return 1
    port=$(free_port)
    ceph_conf "$dir" "$port" "$(free_port)" "$(free_port)" >"$dir/ceph.conf"
    (
        exec </dev/null >>"$dir/start.log" 2>&1
        uuid=$(cat /proc/sys/kernel/random/uuid)
        export CEPH_CONF=$dir/ceph.conf CEPH_ARGS="-c $dir/ceph.conf"
        ceph-authtool --create-keyring "$dir/keyring" --gen-key -n mon. --cap mon 'allow *' &&
        monmaptool --create --fsid "$(sed -n 's/^fsid = //p' "$CEPH_CONF")" \
            --addv a "$(sed -n 's/^mon host = //p' "$CEPH_CONF")" "$dir/monmap" &&
        ceph-mon -i a --mkfs --monmap "$dir/monmap" --keyring "$dir/keyring" &&
        ceph-mon -i a &&
        number=$(timeout 60 ceph osd new "$uuid") &&
        ceph-osd -i "$number" --mkfs --osd-uuid "$uuid" &&
        ceph-osd -i "$number" &&
        timeout 60 radosgw -n client.rgw &&
        answers "http://127.0.0.1:$port/" &&
        timeout 60 radosgw-admin user create --uid=test --display-name=test --access-key=testkey --secret-key=testsecret
    ) || { tail -n 5 "$dir"/*.log >&2; return 1; }
    echo "http://testkey:testsecret@127.0.0.1:$port"
}

down_rgw() { # all it holds is thrown away, so nothing is gained by an orderly end
    end "$root/rgw/client.rgw.pid" radosgw && end "$root/rgw/osd.0.pid" ceph-osd && end "$root/rgw/mon.a.pid" ceph-mon || return 1
    rm -rf "$root/rgw"
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
