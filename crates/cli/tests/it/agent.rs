//! The agent: the real binary as a daemon, its runs, its status, its manners.

use crate::console::Console;
use crate::host::{Host, command, text};
use serde_json::{Value, json};
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use vow_protocol::report::{Body, Outcome};

/// A host whose source is due every hour.
fn scheduled() -> Host {
    let host = Host::new();
    host.edit(|plan| {
        plan.replace("type = \"files\"", "type = \"files\"\nschedule = \"0 * * * *\"\ntime_zone = \"UTC\"")
    });
    host
}

fn memory(host: &Host) -> PathBuf {
    host.dir().join("state/agent/schedule.json")
}

/// Makes every job look as if it had not run for days.
fn let_time_pass(host: &Host) {
    let mut value: Value = serde_json::from_slice(&fs::read(memory(host)).expect("a memory")).expect("JSON");
    for job in value["jobs"].as_object_mut().expect("jobs").values_mut() {
        job["anchor_secs"] = json!(job["anchor_secs"].as_i64().expect("a time") - 3 * 86_400);
    }
    fs::write(memory(host), value.to_string()).expect("written");
}

/// Waits for something that comes to be.
#[track_caller]
fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + Duration::from_secs(90);
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < until, "{what} never came to be");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// An agent that runs.
struct Agent {
    child: Child,
    log: PathBuf,
}

impl Agent {
    fn start(host: &Host, more: impl FnOnce(&mut Command)) -> Self {
        let log = host.path("agent.log");
        let errors = fs::File::options().create(true).append(true).open(&log).expect("a log");
        let mut agent = command(host.temp.path());
        agent.arg("--config").arg(host.config()).args(["agent", "--json"]);
        agent.stdout(Stdio::piped()).stderr(errors);
        more(&mut agent);
        let mut child = agent.spawn().expect("the binary starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("a pipe")).read_line(&mut line).expect("a line");
        assert!(line.contains("\"ready\""), "{line} {:?}", fs::read_to_string(&log));
        Self { child, log }
    }

    fn tell(&self, signal: rustix::process::Signal) {
        rustix::process::kill_process(rustix::process::Pid::from_child(&self.child), signal).expect("told");
    }

    /// Stops it as systemd does; its exit code.
    fn stop(mut self) -> Option<i32> {
        self.tell(rustix::process::Signal::TERM);
        self.child.wait().expect("it ends").code()
    }

    fn log(&self) -> String {
        fs::read_to_string(&self.log).expect("a log")
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn status(host: &Host) -> Value {
    host.run(["agent", "status", "--json"]).json()
}

#[test]
fn what_is_due_is_done_once_and_reported() {
    let console = Console::new();
    let host = scheduled();
    host.run(["console", "join", &console.token()]).code(0);
    host.edit(|plan| format!("{plan}\n[agent]\naudit = \"never\"\n"));
    host.run(["agent", "status"]).code(4).prints("no agent has run");
    // A job that is new waits for its first slot.
    host.run(["agent", "--once", "--json"]).code(0);
    assert_eq!(host.ids().len(), 0);
    let_time_pass(&host);
    let summary = host.run(["agent", "--once", "--json"]).code(0).json();
    assert_eq!((&summary["done"], &summary["failed"]), (&json!(1), &json!(0)));
    assert_eq!(host.ids().len(), 1, "of three days' slots one is run");
    host.run(["agent", "--once"]).code(0);
    assert_eq!(host.ids().len(), 1);
    console.wait_for("the run and a sign of life", |reports| {
        let runs = reports.iter().filter(|report| matches!(report.body, Body::Run(_))).count();
        runs == 1 && reports.iter().any(|report| matches!(report.body, Body::Alive(_)))
    });
    let alive = console.reports().into_iter().rev().find_map(|report| match report.body {
        Body::Alive(alive) => Some(alive),
        _ => None,
    });
    let alive = alive.expect("a sign of life");
    assert_eq!(
        (alive.sources[0].source.as_str(), alive.sources[0].schedule.as_deref()),
        ("files", Some("0 * * * *"))
    );
    assert_eq!(alive.sources[0].time_zone.as_deref(), Some("UTC"));
    assert!(alive.sources[0].next_secs.is_some_and(|next| next % 3600 == 0));
    assert_eq!(console.runs()[0].next_secs.map(|next| next % 3600), Some(0));
    host.run(["agent", "status"]).code(4).says("the agent does not run");
}

#[test]
fn a_failure_is_tried_again_and_the_exit_code_says_so() {
    let host = scheduled();
    host.run(["agent", "--once"]).code(0);
    fs::rename(host.data(), host.path("elsewhere")).expect("moved");
    let_time_pass(&host);
    host.run(["agent", "--once"]).code(1);
    let known: Value = serde_json::from_slice(&fs::read(memory(&host)).expect("a memory")).expect("JSON");
    let job = &known["jobs"]["files"];
    assert_eq!((&job["attempt"], &job["failures"], &job["code"]), (&json!(1), &json!(1), &json!(1)));
    assert!(job["retry_at_secs"].as_i64().expect("a time") > job["ended_secs"].as_i64().expect("a time"));
    fs::rename(host.path("elsewhere"), host.data()).expect("moved back");
    let mut sooner = known.clone();
    sooner["jobs"]["files"]["retry_at_secs"] = json!(1);
    fs::write(memory(&host), sooner.to_string()).expect("written");
    host.run(["agent", "--once"]).code(0);
    assert_eq!(host.ids().len(), 1);
}

#[test]
fn a_daemon_has_manners() {
    let host = scheduled();
    let socket = host.path("notify");
    let manager = UnixDatagram::bind(&socket).expect("a socket");
    // As systemd does, it reads whatever is said, all the time.
    let (say, said) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(length) = manager.recv(&mut buffer) {
            if say.send(String::from_utf8_lossy(&buffer[..length]).into_owned()).is_err() {
                break;
            }
        }
    });
    let agent = Agent::start(&host, |agent| {
        agent.env("NOTIFY_SOCKET", &socket).env("WATCHDOG_USEC", "2000000");
    });
    let hear = |word: &str| loop {
        let heard = said
            .recv_timeout(Duration::from_secs(90))
            .unwrap_or_else(|e| panic!("{word} was never said: {e}"));
        if heard.contains(word) {
            return heard;
        }
    };
    assert!(hear("READY=1").contains("STATUS=idle, 1 planned"));
    hear("WATCHDOG=1");
    wait_for("a running agent", || status(&host)["running"].as_bool().filter(|running| *running));
    host.run(["agent", "status"]).code(0).prints("0 * * * *");
    // Another one is refused.
    host.run(["agent"]).code(11).advises().says("another agent is running");
    // A plan that makes no sense changes nothing, and is said.
    let good = fs::read_to_string(host.config()).expect("vow.toml");
    fs::write(host.config(), good.replace("0 * * * *", "0 25 * * *")).expect("vow.toml");
    agent.tell(rustix::process::Signal::HUP);
    hear("RELOADING=1");
    hear("READY=1");
    // `vow agent status` needs a plan itself: the file tells.
    let file = host.dir().join("state/agent/status.json");
    let problem = wait_for("a problem", || {
        let status: Value = serde_json::from_slice(&fs::read(&file).ok()?).ok()?;
        status["problems"][0].as_str().map(str::to_owned)
    });
    assert!(problem.contains("the old one stays") && problem.contains("vow.toml:"), "{problem}");
    fs::write(host.config(), good.replace("0 * * * *", "30 * * * *")).expect("vow.toml");
    agent.tell(rustix::process::Signal::HUP);
    wait_for("the new plan", || {
        let status = status(&host);
        (status["problems"] == json!([]) && status["agent"]["jobs"][0]["schedule"] == "30 * * * *")
            .then_some(())
    });
    assert!(agent.log().contains("files is due at other times"), "{}", agent.log());
    assert_eq!(agent.stop(), Some(0));
    hear("STOPPING=1");
}

/// A source that never ends: a server that takes connections and says nothing.
fn hanging(host: &Host) -> TcpListener {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    host.edit(|plan| {
        let source = format!(
            "[[source]]\nname = \"slow\"\ntype = \"postgres\"\nurl = \"postgres://vow@127.0.0.1:{port}/postgres?sslmode=disable\"\n\
             schedule = \"0 * * * *\"\ntime_zone = \"UTC\"\n"
        );
        format!("{plan}\n{source}\n[agent]\nstop_within = \"2s\"\naudit = \"never\"\n")
    });
    listener
}

fn running(host: &Host) -> Option<u32> {
    let file = fs::read(host.dir().join("state/agent/status.json")).ok()?;
    let status: Value = serde_json::from_slice(&file).ok()?;
    status["running"][0]["pid"].as_u64().and_then(|pid| u32::try_from(pid).ok())
}

#[test]
fn a_run_that_dies_is_reported_by_the_agent_which_goes_on() {
    let console = Console::new();
    let host = Host::new();
    host.run(["console", "join", &console.token()]).code(0);
    let _listener = hanging(&host);
    host.run(["agent", "--once"]).code(0);
    let_time_pass(&host);
    let agent = Agent::start(&host, |_| {});
    let pid = wait_for("a run", || running(&host));
    let pid = rustix::process::Pid::from_raw(i32::try_from(pid).expect("a number")).expect("not 0");
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("killed");
    console.wait_for("the report of a run that died", |reports| {
        reports.iter().any(|report| matches!(&report.body, Body::Run(run) if run.source == "slow"))
    });
    let run = console.runs().pop().expect("a run");
    assert_eq!((run.outcome, run.attempt), (Outcome::Failed, 1));
    assert!(run.error.as_ref().is_some_and(|error| error.contains("killed by signal 9")), "{run:?}");
    assert_eq!(agent.stop(), Some(0));
}

#[test]
fn a_stopped_agent_ends_its_runs_and_begins_them_again() {
    let console = Console::new();
    let host = Host::new();
    host.run(["console", "join", &console.token()]).code(0);
    let _listener = hanging(&host);
    host.run(["agent", "--once"]).code(0);
    let_time_pass(&host);
    let agent = Agent::start(&host, |_| {});
    wait_for("a run", || running(&host));
    // The run looks at signals once it has begun.
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(agent.stop(), Some(0));
    let known: Value = serde_json::from_slice(&fs::read(memory(&host)).expect("a memory")).expect("JSON");
    assert_eq!(known["jobs"]["slow"]["running_since_secs"], Value::Null);
    let agent = Agent::start(&host, |_| {});
    wait_for("the run once more", || running(&host));
    // One that vanishes with everything is begun again too.
    drop(agent);
    let killed: Value = serde_json::from_slice(&fs::read(memory(&host)).expect("a memory")).expect("JSON");
    assert!(killed["jobs"]["slow"]["running_since_secs"].is_i64());
    let agent = Agent::start(&host, |_| {});
    assert!(agent.log().contains("was cut off"), "{}", agent.log());
    drop(agent);
    for pid in fs::read_dir("/proc").expect("processes").flatten() {
        // Runs of agents that were killed: nobody else has this plan.
        let line = fs::read(pid.path().join("cmdline")).unwrap_or_default();
        let number = pid.file_name().to_string_lossy().parse::<i32>();
        let ours = String::from_utf8_lossy(&line).contains(text(&host.config()));
        if let Some(pid) = number.ok().and_then(rustix::process::Pid::from_raw).filter(|_| ours) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
    }
}

/// A vault in a folder of the plan has nobody else to look after it: the agent sweeps it and reads it again, and finds what is wrong with it.
#[test]
fn the_vaults_in_folders_of_this_machine_are_swept_and_scrubbed() {
    let host = scheduled();
    host.run(["backup"]).code(0);
    let vault = host.dir().join("vault");
    let unfinished = vault.join("tmp/left-by-a-crash");
    fs::write(&unfinished, "half").expect("written");
    let long_ago = std::time::SystemTime::now() - Duration::from_secs(3 * 86_400);
    fs::File::options().write(true).open(&unfinished).expect("it").set_modified(long_ago).expect("aged");
    let mut packs =
        crate::host::files(&vault).into_iter().filter(|path| path.to_string_lossy().contains("/packs/"));
    let pack = packs.next_back().expect("a pack");
    let mut bytes = fs::read(&pack).expect("read");
    bytes[100] ^= 1;
    fs::remove_file(&pack).and_then(|()| fs::write(&pack, bytes)).expect("damaged");
    let agent = Agent::start(&host, |_| {});
    wait_for("the sweep, which clears away what a crash left", || (!unfinished.exists()).then_some(()));
    wait_for("the scrub, which moves the damage aside", || vault.join("quarantine").exists().then_some(()));
    wait_for("its word", || {
        agent.log().lines().any(|line| line.contains("scrub local") && line.contains("damaged")).then_some(())
    });
    assert_eq!(agent.stop(), Some(0));
}
