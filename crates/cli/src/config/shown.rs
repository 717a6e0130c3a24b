//! The configuration in effect, with every default, as TOML that can be read again.

use super::{Config, Place, SourcePlan, VaultPlan, rate};
use crate::layout::quoted;
use crate::ui::plain;
use std::fmt::Write;
use std::path::Path;
use vow_base::id::hex;
use vow_store::session::Recipient;

impl Config {
    /// The text that `vow config show` prints.
    pub(crate) fn shown(&self) -> String {
        let file = plain(&self.file.display().to_string());
        let mut text = format!("# {file} (found by: {})\n", self.origin);
        host(&mut text, self);
        self.vaults.iter().for_each(|plan| vault(&mut text, plan));
        self.sources.iter().for_each(|plan| source(&mut text, plan));
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
            line!(text, "{name} = {}", quoted(&rate::shown(limit)));
        }
    }
    line!(text, "spool = {}", plan.spool);
}

fn source(text: &mut String, plan: &SourcePlan) {
    line!(text, "\n[[source]]\nname = {}\ntype = {}", quoted(&plan.name), quoted(&plan.kind));
    for (key, value) in plan.settings.iter() {
        line!(text, "{key} = {value}");
    }
    if let Some(schedule) = &plan.schedule {
        line!(text, "schedule = {}", quoted(schedule));
    }
    drill(text, &plan.drill);
}

fn drill(text: &mut String, plan: &super::DrillPlan) {
    line!(text, "drill_within = \"{} s\"", plan.within_secs);
    if let Some(secs) = plan.restore_target_secs {
        line!(text, "restore_target = \"{secs} s\"");
    }
    for rule in &plan.expect {
        line!(text, "\n[[source.expect]]\npath = {}\nexists = true", quoted(&rule.path));
        if let Some(bytes) = rule.larger_than_bytes {
            line!(text, "larger_than = \"{bytes} B\"");
        }
        if let Some(secs) = rule.newer_than_secs {
            line!(text, "newer_than = \"{secs} s\"");
        }
        if let Some(wanted) = &rule.contains {
            line!(text, "contains = {}", quoted(wanted));
        }
        if let Some(least) = rule.count_at_least {
            line!(text, "count_at_least = {least}");
        }
    }
}

fn path(path: &Path) -> String {
    quoted(&path.to_string_lossy())
}

fn list<'t>(texts: impl Iterator<Item = &'t str>) -> String {
    format!("[{}]", texts.map(quoted).collect::<Vec<_>>().join(", "))
}
