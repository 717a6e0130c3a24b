//! A whole host as one finds it: four kinds of databases, a site with pictures, archives.

use std::fs;
use std::io::{Cursor, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use vow_testkit::host::scratch;
use vow_testkit::{Dice, Host, mariadb, postgres, redis, shell};

/// The host; everything ends and goes with the value.
pub(super) struct Scene {
    pub(super) host: Host,
    /// Where scratch servers are.
    pub(super) place: PathBuf,
    pub(super) folder: tempfile::TempDir,
    _postgres: postgres::Server,
    _mariadb: mariadb::Server,
    _redis: redis::Server,
}

impl Scene {
    /// Sources `files`, `orders`, `shop`, `cache` and `apps`; nothing is backed up yet.
    pub(super) fn new() -> Self {
        let folder = scratch();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let (root, place, app) =
            (folder.path().join("www"), folder.path().join("scratch"), folder.path().join("app"));
        [&place, &app].iter().for_each(|folder| fs::create_dir(folder).unwrap());
        wordpress(&root);
        let host = Host::at(&folder.path().join("host"), &[&root]);
        let (postgres, mariadb, redis) = (orders(), shop(), cache());
        let database = app.join("app.db").display().to_string();
        shell::tool("sqlite3", ["-bail", &database, PEOPLE]);
        for (name, kind, line) in [
            ("orders", "postgres", format!("url = \"{}\"", postgres.url())),
            ("shop", "mariadb", format!("url = \"{}\"", mariadb.url())),
            ("cache", "redis", format!("url = \"{}\"", redis.url())),
            ("apps", "sqlite", format!("paths = [\"{}\"]", app.display())),
        ] {
            host.add_to_plan(&format!("[[source]]\nname = \"{name}\"\ntype = \"{kind}\"\n{line}"));
        }
        Self { host, place, folder, _postgres: postgres, _mariadb: mariadb, _redis: redis }
    }
}

const PEOPLE: &str = "CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT); CREATE VIEW names AS SELECT name FROM people; \
    WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000) INSERT INTO people SELECT i, 'name ' || i FROM n;";

fn orders() -> postgres::Server {
    let server = postgres::Server::start();
    server.sql("postgres", "create database orders");
    server.sql(
        "orders",
        "create table orders (id bigint primary key, note text); insert into orders select n, 'order ' || n from generate_series(1, 2000) n; \
         create table notes (note text); insert into notes values ('a'), ('b'); create view big as select * from orders where id > 1000; \
         create function twice(n int) returns int language sql as 'select 2 * n'; create role clerk; grant select on orders to clerk",
    );
    server
}

fn shop() -> mariadb::Server {
    let server = mariadb::Server::start();
    server.sql(
        "",
        "create database shop; use shop; create table carts (id bigint primary key, note varchar(40)); \
         insert into carts select seq, concat('cart ', seq) from seq_1_to_2000; create table notes (note text); insert into notes values ('a'), ('b'); \
         create view big as select * from carts where id > 1000; create function twice(n int) returns int deterministic return 2 * n; \
         create user clerk@localhost; grant select on shop.* to clerk@localhost",
    );
    server
}

fn cache() -> redis::Server {
    let server = redis::Server::start();
    for words in [
        &["EVAL", "for i = 1, 3000 do redis.call('SET', 'k' .. i, string.rep('v', i % 100)) end", "0"][..],
        &["HSET", "basket", "apple", "1", "pear", "2"],
        &["FUNCTION", "LOAD", "#!lua name=mylib\nredis.register_function('f', function() return 7 end)"],
    ] {
        server.cli(words);
    }
    server
}

/// PHP, pages, style sheets, pictures of every format, archives, and what nobody looks into.
pub(super) fn wordpress(root: &Path) {
    let write = |name: &str, bytes: &[u8]| {
        let path = root.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    };
    write("index.php", b"<?php\ndefine('WP_USE_THEMES', true);\nrequire __DIR__ . '/wp-blog-header.php';\n");
    write("wp-includes/functions.php", b"<?php\nfunction f( $a ) {\n\treturn \"{$a['b']}\";\n}\n");
    write("wp-includes/css/style.css", b"body { color: red; } /* x */\n");
    write("wp-includes/theme.json", b"{\"version\": 2}\n");
    write(
        "html/index.html",
        b"<!DOCTYPE html><html><body><h1>Hello</h1><img src=/1.png><a href=about.html>about</a></body></html>\n",
    );
    write("html/about.html", b"<!DOCTYPE html><html><body><p>About, <a href=/>back</a></p></body></html>\n");
    write("html/logo.svg", b"<svg xmlns=\"http://www.w3.org/2000/svg\"><path d=\"M0 0\"/></svg>\n");
    use image::ImageFormat::{Gif, Jpeg, Png, Tiff, WebP};
    for (number, (end, format)) in
        [("png", Png), ("jpg", Jpeg), ("gif", Gif), ("webp", WebP), ("tif", Tiff)].into_iter().enumerate()
    {
        write(&format!("html/{}.{end}", number + 1), &picture(number as u32, format));
        write(&format!("wp-content/uploads/2026/{number}.{end}"), &picture(number as u32 + 10, format));
    }
    for number in 0..40 {
        write(&format!("wp-content/cache/{number}.txt"), &Dice::new(number).bytes(2000));
    }
    write("backup/archive.zip", &zipped(&Dice::new(7).bytes(20_000)));
    let (archive, folder) = (root.join("backup/old.tar.gz"), root.join("wp-content").display().to_string());
    shell::tool("tar", ["-czf", &archive.display().to_string(), "-C", &folder, "."]);
    let plain = archive.with_file_name("old.tar").display().to_string();
    shell::tool("tar", ["-cf", &plain, "-C", &folder, "cache"]);
}

fn picture(number: u32, format: image::ImageFormat) -> Vec<u8> {
    let pixel = |x: u32, y: u32| image::Rgb([(x * 3 + number) as u8, (y * 5) as u8, (x * y) as u8]);
    let mut out = Cursor::new(Vec::new());
    image::DynamicImage::from(image::RgbImage::from_fn(60, 40, pixel)).write_to(&mut out, format).unwrap();
    out.into_inner()
}

fn zipped(content: &[u8]) -> Vec<u8> {
    let mut out = zip::ZipWriter::new(Cursor::new(Vec::new()));
    out.start_file("a.txt", zip::write::SimpleFileOptions::default()).unwrap();
    out.write_all(content).unwrap();
    out.finish().unwrap().into_inner()
}
