bin=$(ls -d /usr/lib/postgresql/*/bin | tail -1)
as() { setpriv --reuid="$1" --regid="$1" --init-groups --reset-env sh -c "$2"; }
sql() { as postgres "$bin/psql -v ON_ERROR_STOP=1 -h /run/postgresql $1 -c \"$2\""; }
mkdir /run/postgresql
chown postgres /run/postgresql
as postgres "$bin/initdb -A peer -D /var/lib/postgresql/main" >/out/postgres.log 2>&1
as postgres "$bin/pg_ctl -D /var/lib/postgresql/main -w -t 120 -o \"-k /run/postgresql -c listen_addresses=''\" -l /var/lib/postgresql/main/log start" >>/out/postgres.log 2>&1
sql postgres 'CREATE DATABASE shop'
sql shop 'CREATE SCHEMA app; CREATE TABLE app.orders AS SELECT n FROM generate_series(1, 1000) n'
vow vault init --dir /vault --address https://vault.example.net:8443
vow vault serve --dir /vault &
sleep 2
vow init --dir /etc/vow --tenant acme --name web-1 --path /etc --path /srv --path /home --join "$(vow vault join-token --dir /vault --tenant acme --quiet)"
printf '\n[[source]]\nname = "orders"\ntype = "postgres"\nurl = "postgres:///?host=/run/postgresql"\n' >>/etc/vow/vow.toml
mv /etc/vow/recovery.agekey /media/usb/kit.agekey
vow backup
