//! The configuration in effect, with every default, as TOML that can be read again.

use super::{Config, Due, GroupPlan, PingFrom, Place, SourcePlan, Timing, VaultPlan, groups};
use std::fmt::Write;
use std::path::Path;
use std::time::Duration;
use vow_base::amount::{Bytes, Rate, Term};
use vow_base::id::hex;
use vow_sources::question::{Question, Wanted};
use vow_store::session::Recipient;

impl Config {
    /// The text that `vow config show` prints.
    pub fn shown(&self) -> String {
        // A line break in its name must not end the comment.
        let file = self.file.display().to_string().escape_debug().to_string();
        let mut text = format!("# {file} (found by: {})\n", self.origin);
        host(&mut text, self);
        self.vaults.iter().for_each(|plan| vault(&mut text, plan));
        for plan in &self.sources {
            source(&mut text, self, plan);
            // Tables of their own come last: what stands behind them would be theirs.
            expected(&mut text, &plan.drill);
        }
        self.groups.iter().filter(|plan| plan.declared).for_each(|plan| group(&mut text, self, plan));
        who_and_when(&mut text, self);
        text
    }
}

/// Writing to a string never fails.
macro_rules! line {
    ($text:expr, $($arg:tt)*) => { let _ = writeln!($text, $($arg)*); };
}

fn host(text: &mut String, config: &Config) {
    line!(text, "[host]\ntenant = {}\nname = {}", quoted(&config.tenant), quoted(&config.host));
    line!(text, "recipients = {}", list(config.recipients.iter().map(Recipient::text)));
    line!(
        text,
        "readers = [{}]",
        config.readers.iter().map(|key| quoted(&hex(&key.0))).collect::<Vec<_>>().join(", ")
    );
    line!(text, "keys = {}\nstate = {}", path(&config.keys), path(&config.state));
    line!(text, "compression = {}", config.compression);
}

fn vault(text: &mut String, plan: &VaultPlan) {
    line!(text, "\n[[vault]]\nname = {}", quoted(&plan.name));
    match &plan.place {
        Place::Folder(folder) => {
            line!(text, "path = {}", path(folder));
        }
        Place::Address(address) => {
            line!(text, "url = {}", quoted(&address.to_string()));
        }
        Place::Bucket(url) => {
            line!(text, "url = {}", quoted(url));
        }
    }
    match &plan.fingerprint {
        Some(fingerprint) => {
            line!(text, "fingerprint = {}", quoted(&fingerprint.to_string()));
        }
        None => {
            line!(text, "# fingerprint not pinned: any vault at this path is taken");
        }
    }
    for (name, limit) in [("limit_upload", plan.limit_upload), ("limit_download", plan.limit_download)] {
        if let Some(limit) = limit {
            line!(text, "{name} = {}", quoted(&Rate(limit).to_string()));
        }
    }
    line!(text, "spool = {}", plan.spool);
}

fn source(text: &mut String, config: &Config, plan: &SourcePlan) {
    line!(text, "\n[[source]]\nname = {}\ntype = {}", quoted(&plan.name), quoted(&plan.kind));
    for (key, value) in plan.settings.iter() {
        line!(text, "{key} = {value}");
    }
    let group = config.group_of(&plan.name);
    if let Some(schedule) = plan.schedule.as_ref().filter(|_| !group.is_some_and(|group| group.declared)) {
        line!(text, "schedule = {}", quoted(schedule));
    }
    if let Some(timing) = config.timings.get(&plan.name) {
        if !group.is_some_and(|group| group.declared) {
            timed(text, timing);
        }
        told(text, timing);
    }
    if let Some(group) = group.filter(|group| !group.declared) {
        groups::shown(text, &group.group);
    }
    drill(text, &plan.drill);
}

fn group(text: &mut String, config: &Config, plan: &GroupPlan) {
    let group = &plan.group;
    line!(text, "\n[[group]]\nname = {}", quoted(&group.name));
    line!(text, "sources = {}", list(group.sources.iter().map(String::as_str)));
    let first = config.sources.iter().find(|source| group.sources.first() == Some(&source.name));
    if let Some(schedule) = first.and_then(|source| source.schedule.as_ref()) {
        line!(text, "schedule = {}", quoted(schedule));
    }
    if let Some(timing) = first.and_then(|source| config.timings.get(&source.name)) {
        timed(text, timing);
    }
    groups::shown(text, group);
}

fn drill(text: &mut String, plan: &super::DrillPlan) {
    line!(text, "drill_within = \"{}\"", secs(plan.term_secs()));
    if let Some(target) = plan.restore_target_secs {
        line!(text, "restore_target = \"{}\"", secs(target));
    }
    if let Some(site) = &plan.site {
        let most = site.changed_at_most_percent.map(|most| format!(", changed_at_most_percent = {most}"));
        let start = list(site.start.iter().map(String::as_str));
        let (root, most) = (quoted(&site.root), most.unwrap_or_default());
        line!(text, "site = {{ root = {root}, start = {start}, screenshot = {}{most} }}", site.screenshot);
    }
}

fn expected(text: &mut String, plan: &super::DrillPlan) {
    plan.questions.iter().for_each(|question| asked(text, question));
    for rule in &plan.expect {
        line!(text, "\n[[source.expect]]\npath = {}\nexists = true", quoted(&rule.path));
        if let Some(bytes) = rule.larger_than_bytes {
            line!(text, "larger_than = \"{}\"", Bytes(bytes));
        }
        if let Some(newer) = rule.newer_than_secs {
            line!(text, "newer_than = \"{}\"", secs(newer));
        }
        if let Some(wanted) = &rule.contains {
            line!(text, "contains = {}", quoted(wanted));
        }
        if let Some(least) = rule.count_at_least {
            line!(text, "count_at_least = {least}");
        }
    }
}

fn asked(text: &mut String, question: &Question) {
    line!(text, "\n[[source.expect]]\nsql = {}", quoted(&question.sql));
    if let Some(database) = &question.database {
        line!(text, "database = {}", quoted(database));
    }
    match &question.wanted {
        Wanted::True => {}
        Wanted::Equals(wanted) => {
            line!(text, "equals = {}", quoted(wanted));
        }
        Wanted::Between(least, most) => {
            for (key, bound) in [("at_least", least), ("at_most", most)] {
                if let Some(bound) = bound {
                    line!(text, "{key} = {bound}");
                }
            }
        }
    }
}

/// The keys of a source, or of a group, that are about when it is due.
fn timed(text: &mut String, timing: &Timing) {
    if let Some(zone) = timing.calendar.as_ref().and_then(|calendar| calendar.zone_name()) {
        line!(text, "time_zone = {}", quoted(zone));
    }
    if let Some(window) = &timing.window {
        line!(text, "window = \"{window}\"");
    }
    let jitter = if timing.jitter.is_zero() { "0".to_owned() } else { Term(timing.jitter).to_string() };
    line!(text, "jitter = \"{jitter}\"\nretries = {}", timing.retries);
    let catch_up = match timing.catch_up {
        None => "always".to_owned(),
        Some(late) if late.is_zero() => "never".to_owned(),
        Some(late) => Term(late).to_string(),
    };
    line!(text, "catch_up = \"{catch_up}\"");
}

/// Who is told of a source.
fn told(text: &mut String, timing: &Timing) {
    match &timing.ping {
        Some(PingFrom::Plan(_, url)) => {
            line!(text, "ping_url = {}", quoted(url));
        }
        Some(PingFrom::File(file)) => {
            line!(text, "ping_url_file = {}", path(file));
        }
        None => {}
    }
}

fn who_and_when(text: &mut String, config: &Config) {
    if let Some(console) = &config.console {
        let (address, fingerprint) = (console.address.to_string(), console.fingerprint.to_string());
        line!(text, "\n[console]\nurl = {}\nfingerprint = {}", quoted(&address), quoted(&fingerprint));
    }
    let agent = &config.agent;
    line!(text, "\n[agent]\nparallel = {}\nnice = {}", agent.parallel, agent.nice);
    line!(text, "ionice = \"{}\"", agent.ionice.word());
    let (stop, alive) = (Term(agent.stop_within), Term(agent.alive_every));
    line!(text, "stop_within = \"{stop}\"\nalive_every = \"{alive}\"");
    if let Some(zone) = &agent.time_zone {
        line!(text, "time_zone = {}", quoted(zone));
    }
    for (key, due) in [("audit", &agent.audit), ("drill", &agent.drill)] {
        match due {
            Some(Due::At(schedule)) => {
                line!(text, "{key} = {}", quoted(schedule));
            }
            Some(Due::Never) => {
                line!(text, "{key} = \"never\"");
            }
            None => {}
        }
    }
    if let Some(minutes) = agent.drill_minutes {
        line!(text, "drill_minutes = {minutes}");
    }
    if let Some(bytes) = agent.drill_bytes {
        line!(text, "drill_bytes = \"{}\"", Bytes(bytes));
    }
    for waiver in &config.waivers {
        line!(
            text,
            "\n[[waiver]]\nfinding = {}\nreason = {}",
            quoted(&waiver.finding),
            quoted(&waiver.reason)
        );
        line!(text, "by = {}\nuntil = \"{}\"", quoted(&waiver.by), waiver.until);
    }
}

fn secs(secs: u64) -> Term {
    Term(Duration::from_secs(secs))
}

/// A TOML string.
pub fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

fn path(path: &Path) -> String {
    quoted(&path.to_string_lossy())
}

fn list<'t>(texts: impl Iterator<Item = &'t str>) -> String {
    format!("[{}]", texts.map(quoted).collect::<Vec<_>>().join(", "))
}
