//! OpenLDAP, with a real server: all entries and the configuration come back, and what is cut makes no snapshot.

use super::sources::{back_up, document, fails, host_of, open, prove, script};
use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use vow_testkit::{host, shell};

pub(super) struct Server {
    folder: tempfile::TempDir,
    child: Child,
}

const CONFIG: &str = "dn: cn=config\nobjectClass: olcGlobal\ncn: config\nolcPidFile: PLACE/pid\n\n\
    dn: cn=module,cn=config\nobjectClass: olcModuleList\ncn: module\nolcModulePath: /usr/lib/ldap\nolcModuleLoad: back_mdb\n\n\
    dn: cn=schema,cn=config\nobjectClass: olcSchemaConfig\ncn: schema\n\n\
    include: file:///etc/ldap/schema/core.ldif\n\n\
    dn: olcDatabase=mdb,cn=config\nobjectClass: olcDatabaseConfig\nobjectClass: olcMdbConfig\nolcDatabase: mdb\n\
    olcSuffix: dc=acme,dc=example\nolcDbDirectory: PLACE/data\nolcRootDN: cn=admin,dc=acme,dc=example\nolcRootPW: s3cret-root\n\n";

impl Server {
    pub(super) fn start() -> Self {
        let folder = host::scratch();
        let place = folder.path().display().to_string();
        for name in ["data", "slapd.d"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        let config = folder.path().join("config.ldif");
        fs::write(&config, CONFIG.replace("PLACE", &place)).unwrap();
        shell::tool(
            "/usr/sbin/slapadd",
            ["-n", "0", "-F", &format!("{place}/slapd.d"), "-l", &config.display().to_string()],
        );
        let mut command = Command::new("/usr/sbin/slapd");
        command.args(["-d", "0", "-h", &Self::socket(&place), "-F", &format!("{place}/slapd.d")]);
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let server = Self { folder, child };
        let began = Instant::now();
        while server.client("ldapsearch", &["-b", "", "-s", "base"], "").code != Some(0) {
            assert!(began.elapsed() < Duration::from_secs(60), "slapd does not answer");
            std::thread::sleep(Duration::from_millis(50));
        }
        server
    }

    fn socket(place: &str) -> String {
        format!("ldapi://{}", format!("{place}/s").replace('/', "%2F"))
    }

    pub(super) fn config(&self) -> PathBuf {
        self.folder.path().join("slapd.d")
    }

    /// Adds an organization with so many people.
    pub(super) fn fill(&self, people: u32) {
        let mut entries =
            "dn: dc=acme,dc=example\nobjectClass: dcObject\nobjectClass: organization\no: Acme\ndc: acme\n\n"
                .to_owned();
        let long = "a long description ".repeat(10);
        for n in 0..people {
            entries += &format!(
                "dn: cn=person {n},dc=acme,dc=example\nobjectClass: person\ncn: person {n}\nsn: \u{fc}{n}\ndescription: {long}\n\n"
            );
        }
        let _ = self.client("ldapadd", &[], &entries).expect(0);
    }

    fn client(&self, program: &str, words: &[&str], input: &str) -> shell::Done {
        let file = self.folder.path().join("input");
        fs::write(&file, input).unwrap();
        let mut command = Command::new(program);
        command.args(["-x", "-H", &Self::socket(&self.folder.path().display().to_string())]);
        command.args(["-D", "cn=admin,dc=acme,dc=example", "-w", "s3cret-root"]).args(words);
        if program == "ldapadd" {
            command.arg("-f").arg(file);
        }
        shell::run(&mut command)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn entries_and_configuration_come_back_and_what_is_cut_makes_no_snapshot() {
    let server = Server::start();
    server.fill(50);
    let lines = format!("config = \"{}\"", server.config().display());
    let (host, _folder) = host_of("ldap", &lines);
    let _ = back_up(&host).expect(0);
    let truth = document(&host, "truth.json");
    assert_eq!(
        (&truth["suffixes"][0]["suffix"], &truth["suffixes"][0]["entries"]),
        (&"dc=acme,dc=example".into(), &51.into())
    );
    let config = open(&host, &["cat", "db@latest:/config.ldif"]).expect(0).text();
    assert!(config.contains("olcDbDirectory"), "{config}");
    let before = fs::metadata(server.folder.path().join("data/data.mdb")).unwrap().modified().unwrap();
    let proof = prove(&host, "ldap");
    assert!(proof.holds() && proof.compared == 52, "{proof:?}");
    // The proof has not touched the live server's folder.
    assert_eq!(fs::metadata(server.folder.path().join("data/data.mdb")).unwrap().modified().unwrap(), before);
    let found = host.run(["discover", "--json"]).expect(0).summary();
    let data = server.config().display().to_string();
    let ours =
        found["servers"].as_array().unwrap().iter().find(|one| one["data"] == data.as_str()).unwrap().clone();
    assert_eq!(ours["source"], "db", "{ours}");

    let tools = server.folder.path().join("tools");
    fs::create_dir(&tools).unwrap();
    for (text, says) in [
        (
            "case \"$*\" in *' -b '*) $REAL \"$@\" | head -c 3000;; *) exec $REAL \"$@\";; esac",
            "in the middle of an entry",
        ),
        ("case \"$*\" in *' -b '*) exit 0;; *) exec $REAL \"$@\";; esac", "has none"),
        ("case \"$*\" in *' -b '*) $REAL \"$@\"; exit 5;; *) exec $REAL \"$@\";; esac", "exit status: 5"),
        ("exit 1", "slapcat failed"),
    ] {
        script(&tools, "slapcat", "/usr/sbin/slapcat", text);
        let (host, _folder) = host_of("ldap", &format!("{lines}\ntools = \"{}\"", tools.display()));
        fails(&host, &[says]);
    }
}

/// `slapcat` reads the database by itself, so a server that dies meanwhile takes nothing with it.
#[test]
fn a_server_that_is_killed_in_the_middle_changes_nothing() {
    let mut server = Server::start();
    server.fill(400);
    let tools = server.folder.path().join("tools");
    fs::create_dir(&tools).unwrap();
    let killing = format!(
        "case \"$*\" in *' -b '*) $REAL \"$@\" | (head -c 4000; kill -9 {}; cat);; *) exec $REAL \"$@\";; esac",
        server.child.id()
    );
    for program in ["slapadd", "slapd"] {
        script(&tools, program, &format!("/usr/sbin/{program}"), "exec $REAL \"$@\"");
    }
    script(&tools, "slapcat", "/usr/sbin/slapcat", &killing);
    let lines = format!("config = \"{}\"\ntools = \"{}\"", server.config().display(), tools.display());
    let (host, _folder) = host_of("ldap", &lines);
    let _ = back_up(&host).expect(0);
    assert!(!server.child.wait().unwrap().success(), "it was killed");
    assert_eq!(document(&host, "truth.json")["suffixes"][0]["entries"], 401);
    let proof = prove(&host, "ldap");
    assert!(proof.holds(), "{proof:?}");
}
