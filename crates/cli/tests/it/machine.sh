# A fresh machine for `vow up`: an own root with the programs of this one, two PostgreSQL servers, a SQLite database, a user.
# Runs in name spaces of its own, which take everything with them when it ends. $1: folder for results. $2: the binary.
set -eu
out=$1 vow=$2
mkdir "$out/top"
mount -t tmpfs tmpfs "$out/top"
mkdir -p "$out/top/lower" "$out/top/upper" "$out/top/work" "$out/top/root"
cd "$out/top/lower"
mkdir -p dev etc home/ada/papers proc root run srv/www sys tmp usr var/lib/app var/tmp var/lib/postgresql
for name in bin sbin lib lib32 lib64 libx32; do [ ! -L "/$name" ] || cp -a "/$name" .; done
for name in group ld.so.cache ld.so.conf ld.so.conf.d localtime nsswitch.conf passwd; do [ ! -e "/etc/$name" ] || cp -aL "/etc/$name" etc/; done
echo 'ada:x:4711:4711::/home/ada:/bin/sh' >>etc/passwd
echo 'ada:x:4711:' >>etc/group
echo 'dear diary' >home/ada/papers/diary
echo '<h1>hello</h1>' >srv/www/index.html
chown -R 4711:4711 home/ada
chmod 1777 tmp var/tmp
chown postgres: var/lib/postgresql
cp "$vow" run/vow
# On layers, as in a container: what is in memory alone is no place for data.
mount -t overlay overlay -o "lowerdir=$out/top/lower,upperdir=$out/top/upper,workdir=$out/top/work" "$out/top/root"
cd "$out/top/root"
mount --bind /usr usr
mount --bind /dev dev
mount -t proc proc proc
mkdir -p out
mount --bind "$out" out
ip link set lo up

cat >run/inside <<'EOF'
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
EOF
exec chroot . sh /run/inside
