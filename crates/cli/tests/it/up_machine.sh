# What happens on the fresh machine of machine.sh: `vow up` as root, once more, and as an ordinary user. Results go to /out.
set -eu
bin=$(ls -d /usr/lib/postgresql/*/bin | tail -1)
as() { setpriv --reuid="$1" --regid="$1" --init-groups --reset-env sh -c "$2"; }
mkdir /run/postgresql /run/locked
chown postgres /run/postgresql /run/locked
as postgres "$bin/initdb -A peer -D /var/lib/postgresql/main && $bin/initdb -A peer -D /var/lib/postgresql/locked" >/out/postgres.log 2>&1
echo 'local all all reject' >/var/lib/postgresql/locked/pg_hba.conf
for name in main locked; do
    folder=/run/postgresql; [ $name = main ] || folder=/run/locked
    as postgres "$bin/pg_ctl -D /var/lib/postgresql/$name -W -o \"-k $folder -c listen_addresses=''\" -l /var/lib/postgresql/$name/log start" >>/out/postgres.log 2>&1
done
tries=0
until as postgres "$bin/psql -h /run/postgresql -c 'CREATE DATABASE orders'" >>/out/postgres.log 2>&1; do
    tries=$((tries + 1)); [ $tries -lt 300 ] || { cat /out/postgres.log >&2; exit 1; }
    sleep 0.2
done
as postgres "$bin/psql -h /run/postgresql orders -c 'CREATE TABLE lines AS SELECT n FROM generate_series(1, 1000) n'" >>/out/postgres.log 2>&1
until [ -S /run/locked/.s.PGSQL.5432 ]; do sleep 0.2; done
sqlite3 /var/lib/app/app.db 'CREATE TABLE t (a); INSERT INTO t VALUES (1), (2)'
# HOME, as a login of root has it.
up() { env -i HOME=/root USER=root PATH=/usr/sbin:/usr/bin:/sbin:/bin /run/vow --json up --once; }
code=0; up >/out/root.json 2>/out/errors || code=$?; echo $code >/out/root.code
cp /var/lib/vow/vow.toml /out/root.toml
code=0; up >/out/again.json 2>>/out/errors || code=$?; echo $code >/out/again.code
cp /var/lib/vow/vow.toml /out/again.toml
code=0; as ada '/run/vow --json up --once' >/out/ada.json 2>>/out/errors || code=$?; echo $code >/out/ada.code
cp /home/ada/.local/share/vow/vow.toml /out/ada.toml
