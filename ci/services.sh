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
# moto and dask are run by PENSTOCK_PYTHON (default: python3), which must have them; rgw is installed by root on Debian (20 s, once).
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
    if [ -e "$dir/data/postmaster.pid" ]; then # one that was killed leaves that file, and nothing to stop
        as_postgres "$(postgres_bin)/pg_ctl" --pgdata="$dir/data" --mode=immediate --wait --silent stop >/dev/null 2>&1 ||
            end "$dir/data/postmaster.pid" postgres || return 1
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

# --- Dask: a scheduler and three workers of two threads and a gigabyte -------------------------------------------------

up_dask() {
    local dir=$root/dask port python=${PENSTOCK_PYTHON:-python3} number
    "$python" -c 'import distributed' 2>/dev/null || { say "distributed is not installed for $python"; return 1; }
    mkdir "$dir" || return 1
    port=$(free_port)
    (
        export DASK_TEMPORARY_DIRECTORY=$dir
        setsid "$python" -m dask scheduler --host 127.0.0.1 --port "$port" --no-dashboard >"$dir/log" 2>&1 </dev/null &
        echo $! >"$dir/pid-0"
        for number in 1 2 3; do
            setsid "$python" -m dask worker "tcp://127.0.0.1:$port" --host 127.0.0.1 --no-nanny --no-dashboard \
                --nthreads 2 --memory-limit 1GB --local-directory "$dir" >"$dir/log-$number" 2>&1 </dev/null &
            echo $! >"$dir/pid-$number"
        done
    )
    "$python" -c 'import sys; from distributed import Client; Client(sys.argv[1], timeout=60).wait_for_workers(3, 60)' \
        "tcp://127.0.0.1:$port" >"$dir/wait" 2>&1 || { tail -n 5 "$dir"/log* "$dir/wait" >&2; return 1; }
    echo "tcp://127.0.0.1:$port"
}

down_dask() {
    local number
    for number in 1 2 3 0; do end "$root/dask/pid-$number" python || return 1; done
    rm -rf "$root/dask"
}

# --- Slurm: eight small nodes on this machine, with accounting, as one private cluster --------------------------------

slurm_nodes=8

slurm_conf() { # DIR PORT CONTROLLER_ADDRESS: the slurm.conf; ports from PORT on are its own
    local dir=$1 host number track='ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherParams=OverMemoryKill'
    host=$(hostname -s)
    # Memory is limited by cgroups where there are those of version 1, else a job is killed by who watches it.
    [ -w /sys/fs/cgroup/memory/cgroup.procs ] && track='ProctrackType=proctrack/cgroup
TaskPlugin=task/cgroup
JobAcctGatherType=jobacct_gather/cgroup'
    cat <<CONF
ClusterName=penstock
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$2
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$dir/munge/socket
CredType=cred/munge
StateSaveLocation=$dir/state
SlurmdSpoolDir=$dir/spool/%n
SlurmctldPidFile=$dir/run/slurmctld.pid
SlurmdPidFile=$dir/run/slurmd-%n.pid
SlurmctldLogFile=$dir/log/slurmctld.log
SlurmdLogFile=$dir/log/slurmd-%n.log
MpiDefault=none
SwitchType=switch/none
ReturnToService=2
SchedulerType=sched/backfill
SchedulerParameters=bf_interval=1,sched_interval=2,batch_sched_delay=0,sched_min_interval=0
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
$track
JobAcctGatherFrequency=task=1
JobCompType=jobcomp/none
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort=$(($2 + 2))
AccountingStoragePass=$dir/munge/socket
AccountingStorageTRES=gres/gpu
PropagateResourceLimits=NONE
InactiveLimit=0
KillWait=5
MinJobAge=60
SlurmdTimeout=10
SlurmctldTimeout=30
MaxArraySize=1001
SlurmdParameters=config_overrides
GresTypes=gpu
CONF
    for number in $(seq $slurm_nodes); do
        echo "NodeName=pn$number NodeHostname=$host NodeAddr=127.0.0.1 Port=$(($2 + 10 + number)) CPUs=4 RealMemory=4000 Gres=gpu:2"
    done
    echo "PartitionName=long Nodes=pn[1-6] Default=YES MaxTime=INFINITE DefaultTime=10 DefMemPerCPU=200"
    echo "PartitionName=short Nodes=pn[7-8] MaxTime=5 DefaultTime=5 DefMemPerCPU=200"
}

slurm_database() { # DIR PORT: MariaDB and slurmdbd, for sacct
    local dir=$1
    mkdir "$dir/db"
    mariadb-install-db --no-defaults --user=root --datadir="$dir/db" --auth-root-authentication-method=normal \
        --skip-test-db >"$dir/log/mariadb-install.log" 2>&1 || return 1
    setsid mariadbd --no-defaults --user=root --datadir="$dir/db" --socket="$dir/run/db.sock" \
        --pid-file="$dir/run/mariadb.pid" --bind-address=127.0.0.1 --port=$(($2 + 3)) --innodb-buffer-pool-size=64M \
        --innodb-lock-wait-timeout=900 --innodb-flush-log-at-trx-commit=0 >"$dir/log/mariadb.log" 2>&1 </dev/null &
    for _ in $(seq 200); do
        mariadb-admin --no-defaults -u root -S "$dir/run/db.sock" ping >/dev/null 2>&1 && break
        sleep .05
    done
    mariadb --no-defaults -u root -S "$dir/run/db.sock" -e "create user slurm@'127.0.0.1' identified by 'slurm';
        grant all on slurm.* to slurm@'127.0.0.1'; create user slurm@localhost identified by 'slurm';
        grant all on slurm.* to slurm@localhost;" || return 1
    cat >"$dir/etc/slurmdbd.conf" <<CONF
AuthType=auth/munge
AuthInfo=socket=$dir/munge/socket
DbdHost=$(hostname -s)
DbdAddr=127.0.0.1
DbdPort=$(($2 + 2))
SlurmUser=root
LogFile=$dir/log/slurmdbd.log
PidFile=$dir/run/slurmdbd.pid
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort=$(($2 + 3))
StorageUser=slurm
StoragePass=slurm
StorageLoc=slurm
CONF
    chmod 600 "$dir/etc/slurmdbd.conf"
    slurmdbd
    for _ in $(seq 100); do
        timeout 5 sacctmgr -n -r show cluster && break
        sleep .1
    done
    sacctmgr -i -Q add cluster penstock || true
    sacctmgr -i -Q add account default Description=x Organization=x && sacctmgr -i -Q add user root account=default
}

slurm_port() { # the first of enough ports that nobody has
    python3 - <<'PYTHON'
import socket, sys
for first in range(21000, 31000, 100):
    try:
        for port in range(first, first + 30):
            with socket.socket() as server:
                server.bind(("127.0.0.1", port))
    except OSError:
        continue
    sys.exit(print(first))
sys.exit(1)
PYTHON
}

slurm_idle() { # how many nodes can take jobs
    sinfo -h -N -t idle -o %N | sort -u | wc -l
}

up_slurm() {
    local dir=$root/slurm port number
    [ "$(id -u)" = 0 ] || { say "Slurm for tests needs root"; return 1; }
    command -v slurmctld slurmd munged slurmdbd mariadbd >/dev/null ||
        have slurm-wlm munge slurmdbd mariadb-server || return 1
    mkdir -p "$dir"/{etc,run,log,state,spool,munge} || return 1
    port=$(slurm_port) || return 1
    export SLURM_CONF=$dir/etc/slurm.conf
    (
        exec </dev/null >>"$dir/log/start.log" 2>&1
        head -c 1024 /dev/urandom >"$dir/munge/key" && chmod 400 "$dir/munge/key" &&
        munged --key-file="$dir/munge/key" --socket="$dir/munge/socket" --pid-file="$dir/munge/pid" \
            --seed-file="$dir/munge/seed" --log-file="$dir/munge/log" --num-threads=2 --force || exit 1
        slurm_conf "$dir" "$port" >"$SLURM_CONF"
        cat >"$dir/etc/cgroup.conf" <<CONF
CgroupPlugin=cgroup/v1
CgroupMountpoint=/sys/fs/cgroup
CgroupAutomount=no
ConstrainCores=no
ConstrainRAMSpace=yes
ConstrainSwapSpace=no
ConstrainDevices=no
CONF
        for number in $(seq $slurm_nodes); do
            mkdir "$dir/spool/pn$number"
            echo "NodeName=pn$number Name=gpu File=/dev/tty[1-2]" # any device will do: nothing uses it
        done >"$dir/etc/gres.conf"
        slurm_database "$dir" "$port" || exit 1
        slurmctld -i -c -f "$SLURM_CONF"
        for number in $(seq $slurm_nodes); do slurmd -N "pn$number" -f "$SLURM_CONF"; done
        for _ in $(seq 200); do
            [ "$(slurm_idle)" = $slurm_nodes ] && exit
            sleep .1
        done
        sinfo -R
        exit 1
    ) || { tail -n 5 "$dir"/log/*.log >&2; return 1; }
    echo "$SLURM_CONF"
}

down_slurm() {
    local dir=$root/slurm file number process group
    [ -d "$dir" ] || return 0
    for file in "$dir"/run/slurmd-*.pid; do end "$file" slurmd || return 1; done
    end "$dir/run/slurmctld.pid" slurmctld && end "$dir/run/slurmdbd.pid" slurmdbd && end "$dir/munge/pid" munged &&
        end "$dir/run/mariadb.pid" mariadbd || return 1
    # What jobs left: who watches them has our configuration in its environment, and they are in groups of our nodes.
    for process in $(pgrep -x slurmstepd); do
        tr '\0' '\n' 2>/dev/null <"/proc/$process/environ" | grep -qxF "SLURM_CONF=$dir/etc/slurm.conf" && kill -KILL "$process"
    done 2>/dev/null
    for group in /sys/fs/cgroup/*/slurm_pn[0-9]*; do
        [ -d "$group" ] || continue
        find "$group" -name cgroup.procs -exec cat {} + 2>/dev/null | sort -u | xargs -r kill -KILL 2>/dev/null
        for _ in 1 2 3 4 5; do
            find "$group" -depth -type d -exec rmdir {} \; 2>/dev/null
            [ -d "$group" ] || break
            sleep .1
        done
    done
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
