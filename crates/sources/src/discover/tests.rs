use super::*;
use proptest::prelude::*;
use std::fs;
use std::path::Path;

const MOUNTINFO: &str = r"22 28 0:21 / /proc rw,nosuid shared:12 - proc proc rw
28 1 253:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw
40 28 253:2 / /srv/two\040words rw - xfs /dev/vdb rw
41 28 253:1 /srv/a /mnt/again rw - ext4 /dev/vda1 rw
42 28 0:50 / /mnt/nfs rw - nfs4 10.0.0.1:/export rw
43 28 0:51 / /tmp rw - tmpfs tmpfs rw
44 28 0:52 / /var/lib/docker/overlay2/x/merged rw - overlay overlay rw
45 28 0:53 /@home /home ro - btrfs /dev/vdc rw
46 28 253:2 / /mnt/second rw - xfs /dev/vdb rw
47 28 0:54 / /mnt/s3 rw - fuse.s3fs s3fs rw
48 28 253:9 /volumes/x /data rw - ext4 /dev/vdd rw
49 28 253:9 /volumes/y /more rw - ext4 /dev/vdd rw
50 28 253:9 /volumes/y/z /again rw - ext4 /dev/vdd rw
nonsense";

#[test]
fn mounts_are_told_apart() {
    let mounts = mounts::parse(MOUNTINFO);
    let seen: Vec<_> = mounts.iter().map(|mount| (mount.point.as_str(), mount.kind)).collect();
    assert_eq!(
        seen,
        [
            ("/", MountKind::Disk),
            ("/srv/two words", MountKind::Disk),
            ("/mnt/again", MountKind::Bind),
            ("/mnt/nfs", MountKind::Network),
            ("/tmp", MountKind::Memory),
            ("/var/lib/docker/overlay2/x/merged", MountKind::Overlay),
            ("/home", MountKind::Disk),
            ("/mnt/second", MountKind::Bind),
            ("/mnt/s3", MountKind::Network),
            // Volumes of a disk that is not seen otherwise: in a container.
            ("/data", MountKind::Disk),
            ("/more", MountKind::Disk),
            ("/again", MountKind::Bind),
        ]
    );
    assert!(mounts[6].read_only);
}

#[test]
fn sockets_that_listen_are_found() {
    let tcp = "  sl  local_address rem_address   st\n   0: 0100007F:1538 00000000:0000 0A 0:0 00:0 0 104 0 31337 1\n   \
               1: 00000000:0016 00000000:0000 0A 0:0 00:0 0 0 0 42 1\n   2: 0100007F:1538 0100007F:9C40 01 0:0 00:0 0 0 0 43 1\n";
    let found: Vec<_> =
        services::listening(tcp).into_iter().map(|s| (s.address.to_string(), s.port, s.inode)).collect();
    assert_eq!(found, [("127.0.0.1".into(), 5432, 31337), ("0.0.0.0".into(), 22, 42)]);
    let tcp6 = "head\n   0: 00000000000000000000000001000000:0CEA 0:0 0A 0:0 00:0 0 1 0 7 1\n";
    assert_eq!(services::listening(tcp6)[0].address.to_string(), "::1");
}

#[test]
fn control_groups_name_units_and_containers() {
    let id = "ab".repeat(32);
    let container = Some("abababababab".to_owned());
    for (text, expected) in [
        ("0::/system.slice/nginx.service\n".to_owned(), (Some("nginx.service".to_owned()), None)),
        (format!("0::/system.slice/docker-{id}.scope"), (None, container.clone())),
        (format!("12:cpu:/docker/{id}\n0::/"), (None, container.clone())),
        (
            format!("0::/kubepods.slice/kubepods-pod1.slice/cri-containerd-{id}.scope"),
            (None, container.clone()),
        ),
        (
            "0::/lxc.payload.web/system.slice/x.service".to_owned(),
            (Some("x.service".to_owned()), Some("web".to_owned())),
        ),
        ("0::/user.slice/user-0.slice/session-1.scope".to_owned(), (None, None)),
        (String::new(), (None, None)),
    ] {
        assert_eq!(services::group(&text), expected, "{text}");
    }
}

#[test]
fn web_roots_are_read_from_configurations() {
    let nginx = "server {\n  root /srv/www/a/; # root /no;\n  location /x { alias /srv/b/$host/c; }\n  root \"/srv/q\";\n root relative;\n}";
    assert_eq!(web::nginx(nginx), ["/srv/www/a", "/srv/b", "/srv/q"]);
    let apache =
        "<VirtualHost>\n  documentroot \"/srv/with blank\"\n#DocumentRoot /no\nDocumentRoot /srv/x/\n";
    assert_eq!(web::apache(apache), ["/srv/with blank", "/srv/x"]);
}

#[test]
fn crontabs_show_programs_and_no_arguments() {
    let text =
        "# x\nSHELL=/bin/sh\n15 3 * * * root mysqldump -psecret all\n@daily root A=1 /usr/bin/x\n* * * *\n";
    let jobs = cron::parse("/etc/crontab", text, true);
    let seen: Vec<_> =
        jobs.iter().map(|job| (job.when.as_str(), job.user.as_deref(), job.program.as_str())).collect();
    assert_eq!(seen, [("15 3 * * *", Some("root"), "mysqldump"), ("@daily", Some("root"), "/usr/bin/x")]);
    assert_eq!(cron::parse("a", "5 4 * * 1 backup.sh x", false)[0].user, None);
}

#[test]
fn homes_are_those_of_people() {
    let text = "root:x:0:0:root:/root:/bin/bash\ndaemon:x:1:1::/usr/sbin:/usr/sbin/nologin\nann:x:1000:1000::/home/ann/:/bin/sh\n\
                bob:x:1001:1001::/home/ann:/bin/sh\nnobody:x:65534:65534::/nonexistent:/x\nbroken\n";
    let homes = homes::parse(text);
    assert_eq!(homes.iter().map(|home| home.path.as_str()).collect::<Vec<_>>(), ["/home/ann", "/root"]);
    assert_eq!(homes[0].users, ["ann", "bob"]);
}

#[test]
fn packages_and_their_files_are_read() {
    let sum = "d41d8cd98f00b204e9800998ecf8427e";
    let text = format!(
        "Package: a\nStatus: install ok installed\nVersion: 1:2-3\nConffiles:\n /etc/a {sum}\n /etc/old {sum} obsolete\nDescription: x\n long /etc/b {sum}\n\n\
         Package: gone\nStatus: deinstall ok config-files\nVersion: 1\n\n"
    );
    let known = packages::parse(&text);
    assert_eq!(known.len(), 1);
    assert_eq!((known[0].name.as_str(), known[0].version.as_str()), ("a", "1:2-3"));
    assert_eq!(known[0].files, [("/etc/a".to_owned(), sum.to_owned())]);
}

fn write(root: &Path, path: &str, text: &str) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().expect("a parent")).expect("folders");
    fs::write(path, text).expect("a file");
}

#[test]
fn a_machine_is_looked_at_whole() {
    let root = tempfile::tempdir().expect("a folder");
    let at = root.path();
    write(at, "proc/self/mountinfo", MOUNTINFO);
    write(at, "proc/self/net/tcp", "head\n 0: 00000000:0016 0:0 0A 0:0 00:0 0 0 0 42 1\n");
    write(at, "etc/passwd", "ann:x:1000:1000::/home/ann:/bin/sh\n");
    write(at, "home/ann/x", "");
    write(at, "etc/nginx/sites-enabled/site", "root /srv/www;");
    write(at, "srv/www/index.html", "");
    write(at, "var/lib/docker/volumes/shop/_data/x", "");
    write(at, "var/lib/kubelet/pods/p1/volumes/kubernetes.io~empty-dir/cache/x", "");
    write(at, "var/lib/kubelet/pods/p1/volumes/kubernetes.io~secret/token/x", "");
    write(at, "var/lib/ldap/data.mdb", "");
    write(at, "etc/cron.d/dump", "0 1 * * * root pg_dump x\n");
    write(at, "etc/systemd/system/mine.timer", "[Timer]\nOnCalendar=daily\n");
    write(at, "sys/block/vda/size", "2048\n");
    write(at, "sys/block/vda/dev", "253:0\n");
    write(at, "sys/block/vda/vda1/size", "1024\n");
    write(at, "sys/block/vda/vda1/dev", "253:1\n");
    let sum = "d41d8cd98f00b204e9800998ecf8427e";
    write(
        at,
        "var/lib/dpkg/status",
        &format!(
            "Package: a\nStatus: install ok installed\nVersion: 1\nConffiles:\n /etc/a {sum}\n /etc/b {sum}\n"
        ),
    );
    write(at, "etc/a", "");
    write(at, "etc/b", "changed");
    let inventory = look(&Machine::below(at));
    assert_eq!(inventory.mounts.len(), 12);
    assert_eq!(inventory.services[0].ports.iter().collect::<Vec<_>>(), [&22]);
    assert!(inventory.services[0].public && inventory.services[0].process == "?");
    assert_eq!(inventory.web_roots[0].path, "/srv/www");
    assert_eq!(inventory.places, [Place { what: "LDAP", path: "/var/lib/ldap".into() }]);
    assert_eq!(inventory.cron_jobs[0].program, "pg_dump");
    assert_eq!(inventory.timers[0].when, ["OnCalendar=daily"]);
    assert_eq!(inventory.homes[0].path, "/home/ann");
    assert_eq!(inventory.packages.changed, ["/etc/b"]);
    let volumes: Vec<_> =
        inventory.volumes.iter().map(|volume| (volume.runtime, volume.name.as_str())).collect();
    assert_eq!(volumes, [("docker", "shop"), ("kubernetes", "p1/cache")]);
    assert_eq!(inventory.devices[1].mounted, ["/", "/mnt/again"]);
    assert_eq!(inventory.devices[1].part_of.as_deref(), Some("vda"));
}

#[test]
fn this_machine_is_looked_at_quickly_and_in_little_memory() {
    let inventory = look(&Machine::this());
    assert!(!inventory.mounts.is_empty());
    assert!(serde_json::to_vec(&inventory).expect("JSON").len() < 4 << 20);
}

fn hostile() -> impl Strategy<Value = String> {
    prop_oneof![".*", "[ -~\\n]{0,300}", "([a-z:/ \\\\$\"'#;{}0-9A-F]{0,40}\\n){0,20}"]
}

proptest! {
    /// Whatever stands in the files of a machine, reading it ends, and what comes out can be written down.
    #[test]
    fn no_text_stops_a_parser(text in hostile()) {
        let _ = mounts::parse(&text);
        let _ = mounts::parse(&format!("1 2 3:4 / /a{text} rw - ext4 {text} rw"));
        let _ = services::listening(&text);
        let _ = services::group(&text);
        let paths = web::nginx(&text).into_iter().chain(web::apache(&text));
        for path in paths {
            prop_assert!(path.starts_with('/') || path.is_empty(), "{path:?}");
        }
        let _ = cron::parse(&text, &text, true);
        let _ = cron::parse(&text, &text, false);
        let _ = homes::parse(&text);
        let _ = packages::parse(&text);
    }
}
