//! Machines with a cable between them that is pulled.

use std::process::Command;
use vow_testkit::Lab;
use vow_testkit::shell::{is_root, run};

#[test]
fn a_pulled_cable_carries_nothing_until_it_is_plugged_in_again() {
    if !is_root("a_pulled_cable_carries_nothing_until_it_is_plugged_in_again") {
        return;
    }
    let lab = Lab::new(2);
    let reaches = || {
        let script = format!("exec 3<>/dev/tcp/{}/9", lab.address(2));
        let mut command = Command::new("timeout");
        command.args(["1", "bash", "-c", &script]);
        // Refused is an answer: the other machine is there.
        run(&mut lab.command(1, &command)).said().contains("refused")
    };
    assert!(reaches());
    lab.pull(2);
    assert!(!reaches());
    lab.plug(2);
    assert!(reaches());
}
