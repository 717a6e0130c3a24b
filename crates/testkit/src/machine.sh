# A fresh machine for `vow up`: an own root with the programs of this one, a user, a few files.
# Runs in name spaces of its own, which take everything with them when it ends. $1: folder
# for results, which is /out there. $2: the binary. $3: what is run there, by sh.
set -eu
out=$1 vow=$2 inside=$3
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
# Below a folder that no audit asks about.
mkdir -p run/out media/usb
ln -s run/out out
mount --bind "$out" run/out
ip link set lo up
echo '127.0.0.1 localhost vault.example.net far.example.net console.example.net' >etc/hosts

cp "$inside" run/inside
exec chroot . sh /run/inside
