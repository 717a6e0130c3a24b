//! What the documents tell people to type is typed, in order, on a fresh machine: what a page says is what happens. Every line is run, as it
//! stands or with what a person puts in its place; those that cannot be are named below, with the reason.

use crate::host::on_fresh_machine;

/// Every command of the blocks that are marked `console run`, as one script; before those of a section comes what happens to the machine there.
fn script(page: &str, before: &str, happens: &[(&str, &str)]) -> String {
    let mut script =
        format!("set -eux\nexport HOME=/root USER=root PATH=/run:/usr/sbin:/usr/bin:/sbin:/bin\n{before}\n");
    let mut inside = false;
    for line in page.lines() {
        if line.starts_with("## ") {
            let disaster = happens.iter().filter(|(heading, _)| line == format!("## {heading}"));
            disaster.for_each(|(_, commands)| script.push_str(&format!("{commands}\n")));
        } else if line.starts_with("```") {
            inside = line == "```console run";
        } else if let Some(command) = line.strip_prefix("$ ").filter(|_| inside) {
            script.push_str(&format!("{command}\n"));
            if command.ends_with(" &") {
                script.push_str("sleep 2\n");
            }
        }
    }
    script
}

/// The commands of indented blocks, without comments. Blocks of settings, `[[source]]` or `key = "value"`, are none.
fn commands(page: &str) -> Vec<String> {
    let settings = |line: &str| {
        line.starts_with('[') || line.split_once(" = ").is_some_and(|(key, _)| !key.contains(' '))
    };
    let (mut found, mut in_settings) = (Vec::new(), false);
    for line in page.lines() {
        let Some(line) = line.strip_prefix("    ") else {
            in_settings = false;
            continue;
        };
        let command = line.split("  #").next().unwrap_or_default().trim();
        if command.is_empty() || command.starts_with('#') || command.starts_with('"') {
            continue;
        }
        in_settings |= settings(command);
        if !in_settings {
            found.push(command.to_owned());
        }
    }
    found
}

/// What a person types instead of a line, or nothing, where it cannot be run here: each of these must stand on the page.
type Instead<'i> = &'i [(&'i str, &'i str)];

/// Every command of a page, with what is typed instead of some.
#[track_caller]
fn typed(page: &str, instead: Instead<'_>) -> String {
    let commands = commands(page);
    for (line, _) in instead {
        assert!(
            commands.iter().any(|command| command == line),
            "{line:?} does not stand on the page (any more): {commands:#?}"
        );
    }
    let one = |command: &String| {
        let other = instead.iter().find(|(line, _)| line == command);
        let typed = other.map_or(command.as_str(), |(_, other)| other);
        // What serves does so before the next line is typed.
        let waits = if typed.ends_with(" &") { "\nsleep 2" } else { "" };
        format!("{typed}{waits}\n")
    };
    commands.iter().map(one).collect()
}

const BEFORE: &str = "set -eux\nexport HOME=/root USER=root PATH=/run:/usr/sbin:/usr/bin:/sbin:/bin\n";

#[test]
fn the_quick_start_is_run() {
    let page = include_str!("../../../../docs/quickstart.md");
    let script = script(page, "", &[]);
    assert!(script.matches("\nvow ").count() > 12, "{script}");
    let Some((_temp, ran)) = on_fresh_machine(&script) else { return };
    let ran = ran.code(0).prints("PROVEN: files on local").prints("PROVEN: files on remote");
    assert!(ran.out.contains("web-1"), "{ran:#?}");
}

#[test]
fn the_readme_is_run_from_its_first_line_to_its_last() {
    let page = include_str!("../../../../README.md");
    let script = typed(
        page,
        &[
            ("cargo run --release -- up", "vow up --once --dir /tmp/up"),
            // It is what runs this.
            ("./test", ""),
            ("cargo build --release && install target/release/vow /usr/local/bin/", ""),
            (
                "vow vault join-token --dir /srv/vow --tenant acme --name web-1",
                "vow vault join-token --dir /srv/vow --tenant acme --name web-1 --quiet > /tmp/token",
            ),
            (
                "vow --config /etc/vow/vow.toml vault join 'https://vault.example.net:8443#…'",
                "vow --config /etc/vow/vow.toml vault join \"$(cat /tmp/token)\"",
            ),
            // Both vaults are on this machine.
            (
                "vow vault init --dir /srv/vow2 --address https://far.example.net:8443",
                "vow vault init --dir /srv/vow2 --address https://far.example.net:9443 --listen 127.0.0.1:9443",
            ),
            (
                "vow vault join-token --dir /srv/vow --role replicate",
                "vow vault join-token --dir /srv/vow --role replicate --quiet > /tmp/token",
            ),
            (
                "vow vault join --dir /srv/vow2 'https://vault.example.net:8443#…'",
                "vow vault join --dir /srv/vow2 \"$(cat /tmp/token)\"",
            ),
            (
                "vow restore files@latest --vault 'https://vault.example.net:8443#SHA256:…' --identity /media/usb/recovery.agekey --target /",
                "rm /srv/www/index.html
                 vow restore files@latest --vault \"https://vault.example.net:8443#$(vow vault status --dir /srv/vow | sed -n 's/^fingerprint *//p')\" \
                 --identity /media/usb/recovery.agekey --target /
                 grep hello /srv/www/index.html /tmp/www/index.html",
            ),
            // There is no bucket, and no systemd; other tests have both.
            ("export AWS_REGION=… AWS_ACCESS_KEY_ID=… AWS_SECRET_ACCESS_KEY_FILE=…", ""),
            ("vow vault init --dir /srv/vow --address https://vault.example.net:8443 --storage s3://BUCKET/PREFIX", ""),
            ("install -m 644 packaging/systemd/vow-agent.service /etc/systemd/system/ && systemctl enable --now vow-agent", ""),
            ("vow --config /etc/vow/vow.toml agent status", "vow --config /etc/vow/vow.toml agent status || test $? = 4"),
            (
                "vow console user add ada --role administrator --dir /srv/console",
                "echo 'a long password for ada' | vow console user add ada --role administrator --dir /srv/console",
            ),
            (
                "vow vault join-token --dir /srv/vow --role console",
                "vow vault join-token --dir /srv/vow --role console --quiet > /tmp/token",
            ),
            (
                "vow console vault add remote 'https://vault.example.net:8443#…' --dir /srv/console",
                "vow console vault add remote \"$(cat /tmp/token)\" --dir /srv/console",
            ),
            (
                "vow console join-token --dir /srv/console --tenant acme --name web-1",
                "vow console join-token --dir /srv/console --tenant acme --name web-1 --quiet > /tmp/token",
            ),
            (
                "vow --config /etc/vow/vow.toml console join 'https://console.example.net:8444#…'",
                "vow --config /etc/vow/vow.toml console join \"$(cat /tmp/token)\"",
            ),
            ("vow --config /etc/vow/vow.toml audit", "vow --config /etc/vow/vow.toml audit || test $? = 4"),
        ],
    );
    let Some((_temp, ran)) =
        on_fresh_machine(&format!("{BEFORE}cd /\n{script}vow console hosts --dir /srv/console\n"))
    else {
        return;
    };
    let ran = ran.code(0).prints("PROVEN: files on local");
    assert!(ran.out.contains("web-1"), "{ran:#?}");
}

#[test]
fn the_page_on_operating_is_run() {
    let page = include_str!("../../../../docs/operating.md");
    let vault = "runuser -u vow-vault -- vow vault";
    let console = "runuser -u vow-console -- vow console";
    let line = |rest: &str, by: &str| format!("{by} {rest}");
    let lines = [
        (
            line("join-token --dir /var/lib/vow-vault --tenant acme --name web-1", vault),
            // The units are not here: the service is started as its account.
            line(
                "join-token --dir /var/lib/vow-vault --tenant acme --name web-1 --quiet > /tmp/token",
                vault,
            ),
        ),
        (
            line("join-token --dir /var/lib/vow-vault --role replicate", vault),
            line("join-token --dir /var/lib/vow-vault --role replicate --quiet > /tmp/replicate", vault),
        ),
        (
            line("init --dir /var/lib/vow-vault --address https://far.example.net:8443", vault),
            line(
                "init --dir /var/lib/vow-vault/far --address https://far.example.net:9443 --listen 127.0.0.1:9443",
                vault,
            ),
        ),
        (
            line("join --dir /var/lib/vow-vault 'https://vault.example.net:8443#…'", vault),
            line("join --dir /var/lib/vow-vault/far \"$(cat /tmp/replicate)\"", vault),
        ),
        (
            line(
                "init --dir /var/lib/vow-vault --address https://vault.example.net:8443 --storage s3://BUCKET/PREFIX",
                vault,
            ),
            String::new(),
        ),
        (
            line("user add ada --role administrator --dir /var/lib/vow-console", console),
            format!(
                "echo 'a long password for ada' | {console} user add ada --role administrator --dir /var/lib/vow-console"
            ),
        ),
        (
            line("vault add remote 'https://vault.example.net:8443#…' --dir /var/lib/vow-console", console),
            format!(
                "{console} vault add remote \"$({vault} join-token --dir /var/lib/vow-vault --role console --quiet)\" --dir /var/lib/vow-console"
            ),
        ),
        (
            line(
                "init --dir /var/lib/vow-console --address https://console.example.net:8444 --database postgres:///vow_console",
                console,
            ),
            String::new(),
        ),
        (
            "systemctl enable --now vow-vault.socket vow-vault.service".to_owned(),
            line("serve --dir /var/lib/vow-vault &", vault),
        ),
        (
            "systemctl enable --now vow-console.service".to_owned(),
            line("serve --dir /var/lib/vow-console &", console),
        ),
    ];
    let lines: Vec<_> = lines.iter().map(|(line, other)| (line.as_str(), other.as_str())).collect();
    let script = typed(page, &lines);
    let accounts = "for name in vow-vault vow-console; do
             number=$((n = ${n:-900} + 1)); n=$number
             echo \"$name:x:$number:$number::/var/lib/$name:/usr/sbin/nologin\" >>/etc/passwd; echo \"$name:x:$number:\" >>/etc/group
             install -d -m 700 -o $name -g $name /var/lib/$name
         done
         # As runuser does, on a machine without PAM.
         runuser() { account=$2; shift 3; setpriv --reuid=$account --regid=$account --init-groups \"$@\"; }\n";
    // Root is told who does what here, before it has done harm.
    let refused = "! vow vault init --dir /var/lib/vow-vault 2>/tmp/said; grep 'runuser -u vow-vault -- vow vault init' /tmp/said
         ! vow console init --dir /var/lib/vow-console 2>/tmp/said; grep 'runuser -u vow-console -- vow console init' /tmp/said\n";
    let after = "[ -z \"$(find /var/lib/vow-vault ! -user vow-vault; find /var/lib/vow-console ! -user vow-console)\" ]\n";
    let Some((_temp, ran)) = on_fresh_machine(&format!("{BEFORE}cd /\n{accounts}{refused}{script}{after}"))
    else {
        return;
    };
    ran.code(0);
}

#[test]
fn the_ways_to_drill_are_run() {
    let page = include_str!("../../../../docs/drills.md");
    let first = page.split("\n| status").next().unwrap_or_default();
    // So many files that a twentieth of them is some.
    let before = "for n in $(seq 400); do echo $n >/srv/www/$n.html; done
         vow init --dir /etc/vow --path /etc --path /srv
         mv /etc/vow/recovery.agekey recovery.agekey
         export VOW_CONFIG=/etc/vow/vow.toml VOW_IDENTITY_FILE=$PWD/recovery.agekey
         sqlite3 /srv/orders.db 'CREATE TABLE orders (n); INSERT INTO orders VALUES (1), (2)'
         printf '\\n[[source]]\\nname = \"orders\"\\ntype = \"sqlite\"\\npaths = [\"/srv/orders.db\"]\\n' >>/etc/vow/vow.toml
         vow backup\n";
    let script = typed(
        first,
        &[
            ("vow drill orders --level remote", "vow drill orders --level local"),
            (
                "vow drill 3fa9c01b22de",
                "vow drill \"$(vow snapshots --json | grep -o '\"id\":\"[0-9a-f]*' | head -1 | cut -d '\"' -f 4 | cut -c -12)\"",
            ),
            (
                "vow drill --bare --vault DIR|ADDRESS --identity FILE",
                "vow drill --bare --vault /etc/vow/vault --identity recovery.agekey",
            ),
        ],
    );
    let Some((_temp, ran)) = on_fresh_machine(&format!("{BEFORE}cd /root\n{before}{script}")) else { return };
    ran.code(0);
}

#[test]
fn the_disasters_of_the_restoring_page_happen_and_are_restored() {
    let page = include_str!("../../../../docs/restoring.md");
    let script = script(
        page,
        include_str!("restoring_before.sh"),
        &[
            ("A file, or a folder", "rm /srv/www/index.html"),
            ("Files were encrypted or altered by an intruder", "grep hello /root/back/index.html"),
            ("A table was dropped", "sql shop 'DROP TABLE app.orders'"),
            (
                "A database, or the whole database server",
                "sql shop 'SELECT count(*) AS back FROM app.orders' | grep 1000",
            ),
            ("The whole host is gone", "mv /etc/vow /burnt; rm -rf /srv/www /home/ada"),
            (
                "A vault is lost",
                "grep hello /srv/www/index.html; [ -s /home/ada/papers/diary ]; rm -rf /etc/vow; mv /burnt /etc/vow",
            ),
        ],
    );
    for heading in page.lines().filter(|line| line.starts_with("## ")) {
        assert!(page.matches(heading).count() == 1, "{heading}");
    }
    let Some((_temp, ran)) = on_fresh_machine(&script) else { return };
    ran.code(0);
}
