//! What is wrong with a configuration is said with file, line and column.

use crate::host::{Host, text, vow};
use std::fs;

#[test]
fn a_missing_configuration_says_where_it_was_looked_for() {
    let empty = tempfile::tempdir().expect("a temporary folder");
    vow(empty.path(), ["backup"]).code(2).advises().says("vow.toml");
    vow(empty.path(), ["--config", "/nonexistent/vow.toml", "backup"])
        .code(2)
        .advises()
        .says("/nonexistent/vow.toml");
}

#[test]
fn the_configuration_is_found_in_the_current_folder_and_at_home() {
    let host = Host::new();
    vow(&host.dir(), ["config", "check"]).code(0);
    let home = host.path(".config/vow");
    fs::create_dir_all(&home).expect("folder");
    let plan = fs::read_to_string(host.config())
        .expect("vow.toml")
        .replace("path = \"vault\"", &format!("path = {:?}", host.vault()));
    fs::write(home.join("vow.toml"), plan).expect("vow.toml");
    vow(host.temp.path(), ["config", "show"]).code(0).prints("home folder");
}

#[test]
fn every_fault_is_named_with_line_and_column() {
    let host = Host::new();
    let good = without_readers(&fs::read_to_string(host.config()).expect("vow.toml"));
    let cases: &[(&str, &str, &str, &str)] = &[
        ("tenant = \"acme\"", "tenant = \"acme", ":4:", ""),
        ("tenant = \"acme\"", "tenant = 7", ":4:10:", "string"),
        ("tenant = \"acme\"", "tenant = \"Acme Inc\"", ":4:10:", "Acme Inc"),
        ("tenant = \"acme\"", "tenant = \"acme\"\ncolour = \"red\"", ":5:1:", "colour"),
        ("tenant = \"acme\"", "tenant = \"acme\"\ncompression = 20", ":5:15:", "1 (fast) to 19"),
        ("tenant = \"acme\"\n", "", ":", "tenant"),
        ("path = \"vault\"", "path = \"\"", ":10:8:", "empty"),
        ("path = \"vault\"", "url = \"http://x\"", ":10:7:", "https://NAME:PORT"),
        ("path = \"vault\"", "url = \"https://x/deep\"", ":10:7:", "https://NAME:PORT"),
        ("path = \"vault\"", "path = \"vault\"\nurl = \"https://x\"", ":11:7:", "a path and a url"),
        ("path = \"vault\"\nfingerprint", "url = \"https://x\"\n#", ":10:7:", "no fingerprint"),
        ("path = \"vault\"", "# no path", ":9:8:", "neither a path nor a url"),
        ("path = \"vault\"", "path = \"vault\"\nlimit_upload = \"1 MB/s\"", ":11:16:", "with a url"),
        ("path = \"vault\"", "url = \"https://x\"\nlimit_upload = \"1 mb/s\"", ":11:16:", "10 MB/s"),
        ("path = \"vault\"", "url = \"https://x\"\nlimit_download = \"1 B/s\"", ":11:18:", "32 KiB/s"),
        ("path = \"vault\"", "path = \"vault\"\nspool = \"yes\"", ":11:9:", "boolean"),
        ("path = \"vault\"", "path = \"vault\"\nretain = 1", ":11:1:", "retain"),
        ("fingerprint = \"SHA256:", "fingerprint = \"MD5:", ":11:15:", "fingerprint"),
        ("type = \"files\"", "type = \"paper\"", ":15:8:", "no sources of type"),
        (
            "type = \"files\"",
            "type = \"postgres\"",
            ":16:1:",
            "source of type \"postgres\": unknown field `paths`",
        ),
        (
            "type = \"files\"",
            "type = \"files\"\nurl = \"postgres:///\"",
            ":16:1:",
            "source of type \"files\": unknown field `url`",
        ),
        ("type = \"files\"", "type = \"files\"\none_file_system = 1", ":16:19:", "boolean"),
        ("type = \"files\"", "type = \"files\"\ndrill_within = \"soon\"", ":16:16:", "14 days"),
        ("type = \"files\"", "type = \"files\"\nrestore_target = \"1500 ms\"", ":16:18:", "whole seconds"),
        ("type = \"files\"", "type = \"files\"\njitter = \"1.5 h\"", ":16:10:", "length of time"),
        ("type = \"files\"\n", "", ":13:1:", "type"),
        ("[[source]]", "[source]", ":", "[[source]]"),
        ("type = \"files\"\npaths", "type = \"postgres\"\n#", ":14:8:", "no url"),
        ("type = \"files\"\npaths", "type = \"postgres\"\nurl = \"http://x\"\n#", ":16:7:", "postgres://"),
        (
            "type = \"files\"\npaths",
            "type = \"postgres\"\nurl = \"postgres://u:hunter2@h/\"\n#",
            ":16:7:",
            "password_file",
        ),
        (
            "type = \"files\"\npaths",
            "type = \"postgres\"\nurl = \"postgres://h/\"\nexact_below = \"3 apples\"\n#",
            ":17:15:",
            "MiB",
        ),
        (
            "type = \"files\"\npaths",
            "type = \"postgres\"\nurl = \"postgres://h/\"\nparallel = 0\n#",
            ":17:12:",
            "from 1 to 32",
        ),
        (
            "type = \"files\"\npaths",
            "type = \"postgres\"\nurl = \"postgres://h/\"\npassword_file = \"x\"\npassword_command = [\"y\"]\n#",
            ":18:20:",
            "excludes",
        ),
        ("type = \"files\"", "type = \"files\"\nbefore = \"x\"", ":16:10:", "there is no shell"),
        ("type = \"files\"", "type = \"files\"\nafter = [[\"a\"], \"b\"]", ":16:17:", "list of such lists"),
        ("type = \"files\"", "type = \"files\"\nafter = [\"a\", 7]", ":16:15:", "after is a program"),
        ("type = \"files\"", "type = \"files\"\nbefore = [\"\"]", ":16:10:", "before is a program"),
        ("type = \"files\"", "type = \"files\"\nhook_secs = 0", ":16:13:", "from 1 to"),
        ("type = \"files\"", "type = \"files\"\nbefore_may_fail = 1", ":16:19:", "boolean"),
        ("type = \"files\"", "type = \"files\"\nsnapshot = \"magic\"", ":16:12:", "\"btrfs\""),
        ("type = \"files\"", "type = \"files\"\nsnapshot_take = [\"x\"]", ":16:17:", "goes with snapshot"),
        ("type = \"files\"", "type = \"files\"\nsnapshot = \"command\"", ":16:12:", "needs snapshot_take"),
        ("type = \"files\"", "type = \"files\"\nsnapshot_room = \"10%\"", ":16:17:", "volumes of LVM"),
        (
            "type = \"files\"",
            "type = \"files\"\nsnapshot = \"lvm\"\nsnapshot_room = \"0%\"",
            ":17:17:",
            "1% to 100%",
        ),
        (
            "type = \"files\"\npaths",
            "type = \"postgres\"\nurl = \"postgres://h/\"\nsnapshot = \"auto\"\n#",
            ":17:12:",
            "only sources of type \"files\"",
        ),
        ("[[source]]", "[group]\n[[source]]", ":13:1:", "below [[group]]"),
        ("[[source]]", "[[group]]\nname = \"g\"\nsources = []\n[[source]]", ":15:11:", "no sources"),
        (
            "[[source]]",
            "[[group]]\nname = \"g\"\nsources = [\"x\"]\n[[source]]",
            ":15:12:",
            "no source \"x\"",
        ),
        (
            "[[source]]",
            "[[group]]\nname = \"g\"\nsources = [\"files\"]\n[[source]]",
            ":14:8:",
            "neither hooks nor",
        ),
        (
            "[[source]]",
            "[[group]]\nname = \"files\"\nsources = [\"files\"]\n[[source]]",
            ":14:8:",
            "name of a source",
        ),
        (
            "[[source]]",
            "[[group]]\nname = \"g\"\nsources = [\"files\", \"files\"]\nafter = [\"x\"]\n[[source]]",
            ":15:21:",
            "in a group already",
        ),
        (
            "[[source]]",
            "[[group]]\nname = \"g\"\nsources = [\"files\"]\nafter = [\"x\"]\ncolour = 1\n[[source]]",
            ":17:1:",
            "colour",
        ),
        (
            "[[source]]",
            "[[group]]\nname = \"g\"\nsources = [\"files\"]\nafter = [\"x\"]\nschedule = \"daily\"\n[[source]]",
            ":17:12:",
            "5 fields",
        ),
        (
            "[[source]]",
            "[[group]]\nname = \"g\"\nsources = [\"files\"]\nafter = [\"x\"]\n[[source]]\nschedule = \"0 1 * * *\"",
            ":18:12:",
            "stands there",
        ),
        ("paths = [", "paths = [] #", ":16:9:", "no paths"),
        ("paths = [", "schedule = \"60 * * * *\"\npaths = [", ":16:12:", "minute"),
        ("paths = [", "schedule = \"daily\"\npaths = [", ":16:12:", "5 fields"),
        ("paths = [", "exclude = [\"\"]\npaths = [", ":16:12:", "empty"),
        ("[[source]]", "[[vault]]\nname = \"local\"\npath = \"other\"\n[[source]]", ":14:8:", "two vaults"),
        ("[[source]]", "[[vault]]\nname = \"b\"\npath = \"vault\"\n[[source]]", ":14:8:", "are the same one"),
        ("tenant = \"acme\"", "tenant = \"acme\"\nreaders = [\"12\"]", ":5:12:", "64 hexadecimal digits"),
        ("recipients = [", "recipients = [\"age1nonsense\", ", ":6:15:", "age1nonsense"),
        ("recipients = [", "recipients = [] #", ":6:14:", "no recipient"),
    ];
    for (from, to, place, says) in cases {
        assert!(good.contains(from), "{from}");
        fs::write(host.config(), good.replacen(from, to, 1)).expect("vow.toml");
        let place = format!("vow.toml{place}");
        assert!(!host.run(["config", "check"]).err.contains("hunter2"));
        host.run(["config", "check"]).code(2).advises().says(&place).says(says);
        host.run(["backup"]).code(2).says(&place);
    }
}

#[test]
fn sizes_times_and_rates_are_read_alike_everywhere() {
    let host = Host::new();
    host.edit(|plan| {
        let plan = plan.replace(
            "type = \"files\"",
            "type = \"files\"\ndrill_within = \"1209600s\"\nrestore_target = \"15m\"\njitter = \"15 min\"\ncatch_up = \"1 day\"",
        );
        let pin = "ab".repeat(32);
        let far = format!("name = \"far\"\nurl = \"https://x\"\nfingerprint = \"SHA256:{pin}\"\nlimit_upload = \"1MB/s\"");
        format!("{plan}\n[[vault]]\n{far}\n[agent]\ndrill_bytes = \"2TB\"\nstop_within = \"1 min\"\n")
    });
    let shown = host.run(["config", "show"]).code(0);
    let shown =
        ["drill_within = \"14d\"", "restore_target = \"15m\"", "jitter = \"15m\"", "catch_up = \"1d\""]
            .into_iter()
            .chain(["limit_upload = \"1 MB/s\"", "drill_bytes = \"2 TB\"", "stop_within = \"1m\""])
            .fold(shown, |shown, line| shown.prints(line));
    // What is shown is a plan that says the same.
    fs::write(host.config(), &shown.out).expect("vow.toml");
    assert_eq!(host.run(["config", "show"]).code(0).out, shown.out);
}

#[test]
fn a_vault_behind_an_address_is_shown_with_every_default() {
    let host = Host::new();
    let (pin, reader) = ("ab".repeat(32), "cd".repeat(32));
    host.edit(|plan| {
        let plan = without_readers(&plan).replace("tenant", &format!("readers = [\"{reader}\"]\ntenant"));
        let remote =
            format!("name = \"far\"\nurl = \"https://Vault.example.net\"\nfingerprint = \"SHA256:{pin}\"");
        format!("{plan}\n[[vault]]\n{remote}\nlimit_upload = \"500 KiB/s\"\n")
    });
    let shown = host.run(["config", "show"]).code(0);
    let shown = shown
        .prints("url = \"https://vault.example.net:8443\"")
        .prints("spool = true")
        .prints("spool = false");
    fs::write(host.config(), shown.prints("limit_upload = \"500 KiB/s\"").prints(&reader).out)
        .expect("vow.toml");
    let vaults = &host.run(["config", "show", "--json"]).code(0).json()["vaults"];
    let far = serde_json::json!({
        "name": "far", "path": null, "url": "https://vault.example.net:8443", "fingerprint": format!("SHA256:{pin}"),
        "limit_upload": 512_000, "limit_download": null, "spool": true,
    });
    assert_eq!(vaults[1], far);
}

#[test]
fn relative_paths_are_relative_to_the_configuration() {
    let host = Host::new();
    host.edit(|plan| plan.replace(&format!("{:?}", host.data()), "\"../data\""));
    host.run(["backup"]).code(0);
    let away = tempfile::tempdir().expect("a temporary folder");
    vow(away.path(), ["--config", text(&host.config()), "backup"]).code(0);
    assert_eq!(host.ids().len(), 2);
}

#[test]
fn a_check_of_the_configuration_looks_at_everything_it_names() {
    let host = Host::new();
    host.edit(|plan| plan.replace("paths = [", "paths = [\"/nonexistent\", "));
    let key = host.dir().join("keys/host.key");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    fs::set_permissions(&key, mode).expect("permissions");
    fs::rename(host.vault(), host.path("away")).expect("moved");
    let found = host.run(["config", "check", "--json"]).code(4).json();
    let problems = found["problems"].to_string();
    for problem in ["/nonexistent", "chmod 600", "there is no vault"] {
        assert!(problems.contains(problem), "{problem} in {problems}");
    }
}

/// Who may read differs from host to host; these plans name their own, or nobody.
fn without_readers(plan: &str) -> String {
    plan.lines().filter(|line| !line.starts_with("readers")).map(|line| format!("{line}\n")).collect()
}
