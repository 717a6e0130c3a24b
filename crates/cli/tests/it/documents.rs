//! The blocks of documents that are marked `console run` are run, in order, on a fresh machine: what the page says is what happens.

use crate::host::on_fresh_machine;

/// Every command of a page, as one script; before those of a section comes what happens to the machine there.
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
