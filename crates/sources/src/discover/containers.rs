//! Volumes of containers and pods, where their folders are: Docker, Podman, Kubernetes, LXC. No runtime is asked, and none is needed.

use super::machine::{Machine, shown};
use serde::Serialize;
use std::path::{Path, PathBuf};

/// A volume.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Volume {
    /// Of what: `docker`, `podman`, `kubernetes`, `lxc`.
    pub runtime: &'static str,
    /// Its name.
    pub name: String,
    /// Where its data lies.
    pub path: String,
}

const VOLUMES_MAX: usize = 5000;
/// Volumes of pods that hold configuration, which comes from elsewhere.
const NO_DATA: [&str; 4] = [
    "kubernetes.io~configmap",
    "kubernetes.io~secret",
    "kubernetes.io~projected",
    "kubernetes.io~downward-api",
];

/// Those that are here.
pub(super) fn look(machine: &Machine) -> Vec<Volume> {
    let mut volumes = Vec::new();
    for (runtime, folder, inside) in [
        ("docker", "/var/lib/docker/volumes", "_data"),
        ("podman", "/var/lib/containers/storage/volumes", "_data"),
        ("lxc", "/var/lib/lxc", "rootfs"),
    ] {
        for name in machine.names(folder) {
            let path = Path::new(folder).join(&name).join(inside);
            if machine.is_dir(&path) {
                volumes.push(Volume {
                    runtime,
                    name: name.to_string_lossy().into_owned(),
                    path: shown(&path),
                });
            }
        }
    }
    let pods = Path::new("/var/lib/kubelet/pods");
    for pod in machine.names(pods) {
        let folder = pods.join(&pod).join("volumes");
        for plugin in machine.names(&folder) {
            if NO_DATA.iter().any(|no_data| plugin.to_str() == Some(*no_data)) {
                continue;
            }
            for volume in machine.names(folder.join(&plugin)) {
                let path: PathBuf = folder.join(&plugin).join(&volume);
                let name = format!("{}/{}", pod.to_string_lossy(), volume.to_string_lossy());
                volumes.push(Volume { runtime: "kubernetes", name, path: shown(&path) });
            }
        }
    }
    volumes.truncate(VOLUMES_MAX);
    volumes
}
