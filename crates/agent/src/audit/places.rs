//! Folders of a system that come back by themselves.

use std::path::Path;

const SPARE: [(&str, &str); 23] = [
    ("/bin", "packages bring it"),
    ("/sbin", "packages bring it"),
    ("/lib", "packages bring it"),
    ("/lib32", "packages bring it"),
    ("/lib64", "packages bring it"),
    ("/libx32", "packages bring it"),
    ("/boot", "packages bring it"),
    ("/snap", "packages bring it"),
    ("/usr", "packages bring it"),
    ("/dev", "the kernel makes it"),
    ("/proc", "the kernel makes it"),
    ("/sys", "the kernel makes it"),
    ("/run", "it is gone at every start"),
    ("/tmp", "it is for a moment"),
    ("/var/tmp", "it is for a moment"),
    ("/var/cache", "a cache is filled again"),
    ("/var/lock", "it is gone at every start"),
    ("/var/run", "it is gone at every start"),
    ("/var/lib/docker/overlay2", "images bring it"),
    ("/var/lib/docker/image", "images bring it"),
    ("/var/lib/containerd", "images bring it"),
    ("/var/lib/containers/storage/overlay", "images bring it"),
    ("/lost+found", "fsck makes it"),
];
/// What lies in a spare folder and is not spare. Desktops mount disks below `/run/media`.
const NOT_SPARE: [&str; 3] = ["/usr/local", "/usr/src", "/run/media"];

/// Why a folder needs no backup.
pub(super) fn spare(path: &Path) -> Option<&'static str> {
    if path.file_name().is_some_and(|name| name == "lost+found") {
        return Some("fsck makes it");
    }
    if NOT_SPARE.iter().any(|kept| path.starts_with(kept)) {
        return None;
    }
    SPARE.iter().find(|(folder, _)| path.starts_with(folder)).map(|(_, why)| *why)
}

/// Whether something below a folder is judged otherwise than the folder.
pub(super) fn is_mixed(path: &Path) -> bool {
    let below = |other: &str| Path::new(other).starts_with(path) && Path::new(other) != path;
    let spare_below = SPARE.iter().any(|(folder, _)| below(folder));
    // `/var/lib` is one thing: that images lie in a corner of it makes no list of all of it.
    (spare_below && path != Path::new("/var/lib")) || NOT_SPARE.iter().any(|kept| below(kept))
}
