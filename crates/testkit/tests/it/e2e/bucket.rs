//! A vault whose storage is a bucket, through the real binary: made, served by two processes, looked after, copied, emptied, restored from the copy.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use vow_testkit::host::{below, scratch, vow};
use vow_testkit::shell::run;
use vow_testkit::{Host, Moto, Tree, VaultServer};

const STORAGE: &str = "s3://locked/some/where";

fn data(folder: &Path) -> PathBuf {
    let data = folder.join("data");
    std::fs::create_dir_all(data.join("sub")).unwrap();
    let noise: Vec<u8> = (0..3_000_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    std::fs::write(data.join("large.bin"), noise).unwrap();
    std::fs::write(data.join("sub/notes.conf"), "key = value\n").unwrap();
    data
}

#[test]
fn a_bucket_that_does_not_hold_its_lock_is_refused_unless_somebody_says_so() {
    let (moto, scratch) = (Moto::start(), scratch());
    moto.bucket("plain", false);
    moto.bucket("locked", true);
    let vault = |name: &str| VaultServer::at(&scratch.path().join(name)).with_env(moto.env());
    let plain = vault("plain");
    let refused = plain.init(&["--storage", "s3://plain/v"]).expect(1);
    assert!(
        refused.stderr.contains("no object lock") && refused.stderr.contains("--despite-lock"),
        "{}",
        refused.story()
    );
    assert!(!plain.dir().join("vault.toml").exists());
    // It says that it locks; what counts is what it does.
    let refused = vault("locked").init(&["--storage", STORAGE]).expect(1);
    assert!(refused.stderr.contains("could be shortened"), "{}", refused.story());
    let absent = vault("absent").init(&["--storage", "s3://nowhere/v"]).expect(1);
    assert!(absent.stderr.contains("next step"), "{}", absent.story());
    for bad in ["http://x/y", "s3://", "s3://a:b@bucket/x"] {
        let refused = vault("bad").init(&["--storage", bad]).expect_one_of(&[1, 2]);
        assert!(!refused.said().contains("a:b@"), "{}", refused.story());
    }
    let without = VaultServer::at(&scratch.path().join("without"));
    let refused = without.init(&["--storage", "s3://plain/v", "--endpoint", &moto.endpoint]).expect(2);
    assert!(refused.stderr.contains("AWS_"), "{}", refused.story());

    // Known and accepted: a vault all the same, which says so as long as somebody wants to hear it.
    let mut plain = plain.made(&["--storage", "s3://plain/v", "--despite-lock"]);
    let status = plain.keep("status --json --probe", &[]).expect(0).summary();
    assert_eq!(status["bucket"]["locks"], false, "{status}");
    assert_eq!(plain.stop(), Some(0));
    let settings = plain.settings().replace("must_lock = false", "must_lock = true");
    let token = scratch.path().join("metrics.token");
    std::fs::write(&token, "0123456789abcdef0123456789abcdef\n").unwrap();
    let settings = format!("metrics_token_file = {:?}\n{settings}", token.display().to_string());
    std::fs::write(plain.dir().join("vault.toml"), settings).unwrap();
    plain.start();
    let status = plain.keep("status --json", &[]).expect(4).summary();
    let probe =
        status["server"]["chores"].as_array().unwrap().iter().find(|chore| chore["name"] == "probe").cloned();
    assert_eq!(probe.unwrap_or_default()["failing"], true, "{status}");
    assert!(status["server"]["findings"].to_string().contains("object lock"), "{status}");
    let bearer = "Authorization: Bearer 0123456789abcdef0123456789abcdef";
    let figures = format!("https://{}/metrics", plain.address);
    let figures = vow_testkit::shell::tool("curl", ["-sfk", "-H", bearer, &figures]);
    assert!(figures.contains("vow_vault_chore_failing{chore=\"probe\"} 1"), "{figures}");
}

#[test]
fn two_servers_share_a_bucket_and_a_replica_survives_its_emptying() {
    let (moto, scratch) = (Moto::start(), scratch());
    moto.bucket("locked", true);
    let data = data(scratch.path());
    let bucket = ["--storage", STORAGE, "--despite-lock"];
    let at = |name: &str| VaultServer::at(&scratch.path().join(name)).with_env(moto.env());
    let near = at("near").made(&bucket);
    assert!(!near.dir().join("store").exists());

    // A second machine that serves the same bucket needs the key, and nothing else.
    let twin = at("twin");
    let refused = twin.init(&bucket).expect(1);
    assert!(refused.stderr.contains("--key"), "{}", refused.story());
    let key = near.dir().join("vault.key").display().to_string();
    let twin = twin.made(&[&bucket[..], &["--key", &key]].concat());
    assert_eq!(near.fingerprint(), twin.fingerprint());

    let host = Host::joining(&scratch.path().join("host"), &data, &near.token(&["--tenant", "acme"]));
    let first = host.backup();
    std::fs::write(data.join("new.txt"), "through the other server\n").unwrap();
    let plan = std::fs::read_to_string(host.config()).unwrap();
    std::fs::write(host.config(), plan.replace(&near.address, &twin.address)).unwrap();
    let second = host.backup();
    assert_ne!(first, second);
    for server in [&near, &twin] {
        let status = server.keep("status --json --verify-ledger", &[]).expect(0).summary();
        assert_eq!((&status["snapshots"], &status["verified"]["kept"]), (&2.into(), &2.into()), "{status}");
    }
    // Everything that looks after a vault works on one in a bucket.
    assert!(near.keep("retain", &[]).expect(0).text().contains("keep"));
    let _ = near.keep("sweep --dry-run", &[]).expect(0);
    let _ = near.keep("sweep", &[]).expect(0);
    let scrubbed = near.keep("scrub --json", &[]).expect(0).summary();
    assert!(scrubbed["objects"].as_u64() > Some(3), "{scrubbed}");
    let _ = near.keep("rebuild", &[]).expect(0);
    assert!(near.keep("hosts", &[]).expect(0).text().contains("web-1"));
    let rules = scratch.path().join("rules");
    std::fs::write(&rules, "keep_daily = 30\n").unwrap();
    let _ = twin.keep("retain", &["--set", rules.to_str().unwrap(), "--note", "a month"]).expect(0);

    // A replica in a folder, of the bucket behind the second server.
    let far = VaultServer::at(&scratch.path().join("far")).made(&[]);
    far.follow(&twin);
    let copied = far.keep("replicate --json", &["--from", &twin.url()]).expect(0).summary();
    assert_eq!(copied["snapshots"], 2, "{copied}");

    // Whoever holds the credentials of this bucket, or the store itself, can do this.
    moto.wipe();
    moto.bucket("locked", true);
    let gone = near.keep("status", &[]).expect(10);
    assert!(gone.stderr.contains("no vault"), "{}", gone.story());
    wait_until_seen(&host, &far, &second);
    let expected = Tree::read(&data);
    let target = scratch.path().join("back");
    let restored = host.restore_from(Path::new(&far.url()), &second, &target).expect(0);
    assert_eq!(restored.summary()["status"], "ok");
    expected.assert_equals(&Tree::read(&below(&target, &data)), "restored from the replica");

    // And a new bucket gets everything back: a replica replicates both ways.
    let again = at("again").made(&bucket);
    again.follow(&far);
    let copied = again.keep("replicate --json", &["--from", &far.url()]).expect(0).summary();
    assert_eq!(copied["snapshots"], 2, "{copied}");
    let scrubbed = again.keep("scrub --json", &[]).expect(0).summary();
    assert_eq!(scrubbed["open"], 0, "{scrubbed}");
}

/// The server, its machine and the vault's key are gone. What is left is the bucket, credentials that read it, and the kit.
#[test]
fn a_bucket_and_a_kit_are_enough_when_no_server_of_the_vault_is_left() {
    let (moto, scratch) = (Moto::start(), scratch());
    moto.bucket("locked", true);
    let data = data(scratch.path());
    let mut near = VaultServer::at(&scratch.path().join("near")).with_env(moto.env());
    let made = near.init(&["--storage", STORAGE, "--despite-lock"]).expect(0);
    assert!(made.text().contains(&format!("# vault bucket {STORAGE} SHA256:")), "{}", made.story());
    near.start();
    let host = Host::joining(&scratch.path().join("host"), &data, &near.token(&["--tenant", "acme"]));
    let first = host.backup();
    std::fs::write(data.join("new.txt"), "later\n").unwrap();
    let second = host.backup();
    let fingerprint = near.fingerprint();
    assert_eq!(near.stop(), Some(0));
    std::fs::remove_dir_all(near.dir()).unwrap();
    let kit = scratch.path().join("kit.agekey");
    std::fs::copy(host.identity(), &kit).unwrap();
    let expected = Tree::read(&data);
    std::fs::remove_dir_all(host.dir()).unwrap();

    let ask = |words: &str, more: &[&str], env: &[(String, String)]| {
        let mut command = vow();
        command.args(words.split(' ')).args(more).arg("--identity").arg(&kit).envs(env.iter().cloned());
        run(&mut command)
    };
    let (env, at) = (moto.env(), ["--vault", STORAGE]);
    let listed = ask("snapshots --json", &at, &env).expect(0);
    assert!(listed.text().contains(&first) && listed.text().contains(&second), "{}", listed.story());
    assert!(ask(&format!("ls -R {second}"), &at, &env).expect(0).text().contains("new.txt"));
    let checked = ask("check --read-data --json", &at, &env).expect(0).summary();
    assert_eq!((&checked["status"], &checked["damaged"]), (&"ok".into(), &0.into()), "{checked}");
    let target = scratch.path().join("back");
    let to = ["--vault", STORAGE, "--target", target.to_str().unwrap()];
    assert_eq!(ask(&format!("restore {second} --json"), &to, &env).expect(0).summary()["status"], "ok");
    expected.assert_equals(&Tree::read(&below(&target, &data)), "restored from the bucket alone");
    let tar = scratch.path().join("all.tar");
    let to = ["--vault", STORAGE, "-o", tar.to_str().unwrap()];
    let _ = ask(&format!("export {first}"), &to, &env).expect(0);
    assert!(std::fs::metadata(&tar).unwrap().len() > 3_000_000);
    // Under its own name, when the kit has the line that `vow vault init` prints; and only the vault that it names.
    let line = |fingerprint: &str| format!("\n# vault bucket {STORAGE} {fingerprint}\n");
    let text = std::fs::read_to_string(&kit).unwrap();
    std::fs::write(&kit, format!("{text}{}", line(&fingerprint))).unwrap();
    let by_kit = ask("snapshots --json", &[], &env).expect_one_of(&[0, 3]);
    assert!(by_kit.text().contains(&second), "{}", by_kit.story());
    std::fs::write(&kit, format!("{text}{}", line(&format!("SHA256:{}", "ab".repeat(32))))).unwrap();
    let other = ask("snapshots", &at, &env).expect_one_of(&[1, 10]);
    assert!(other.stderr.contains("fingerprint"), "{}", other.story());
    // What is wrong is said: no credentials, no vault there, no bucket, no such identity.
    let without = ask("snapshots", &at, &[]).expect_one_of(&[1, 2]);
    assert!(without.stderr.contains("AWS_") && without.stderr.contains("next step"), "{}", without.story());
    let nowhere = ask("snapshots", &["--vault", "s3://locked/nowhere"], &env).expect(10);
    assert!(nowhere.stderr.contains("s3://locked/nowhere"), "{}", nowhere.story());
    let _ = ask("snapshots", &["--vault", "s3://no-such-bucket/x"], &env).expect(1);
    let odd = ask("snapshots", &["--vault", "s3://a:secret@bucket/x"], &env).expect(2);
    assert!(!odd.said().contains("secret@"), "{}", odd.story());
}

/// A server notices within seconds what another process has brought into its vault.
#[track_caller]
fn wait_until_seen(host: &Host, vault: &VaultServer, snapshot: &str) {
    let began = Instant::now();
    let url = vault.url();
    loop {
        let mut list = vow();
        list.args(["snapshots", "--json", "--vault", &url, "--identity"]).arg(host.identity());
        let listed = run(&mut list);
        if listed.text().contains(snapshot) {
            return;
        }
        assert!(began.elapsed() < Duration::from_secs(120), "{}", listed.story());
        std::thread::sleep(Duration::from_millis(200));
    }
}
