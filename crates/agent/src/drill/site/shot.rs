//! A picture of a page by Chromium, and how much it differs from the one of the last drill.

use image::{ImageReader, Limits, RgbImage};
use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process_group, setrlimit};
use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// A page may take this long.
const WITHIN: Duration = Duration::from_secs(60);
/// Channels that differ by no more look the same.
const SAME: u8 = 16;
/// A picture is not larger, in pixels each way.
const SIDE_MAX: u32 = 8192;

/// Has a picture taken; gives a note where it is taken without the browser's own sandbox.
pub(super) fn take(
    chromium: &Path,
    url: &str,
    work: &Path,
    file: &Path,
) -> Result<Option<&'static str>, String> {
    // A browser wants address space without end; what it may use is limited by time.
    let limit = getrlimit(Resource::As);
    let _ = setrlimit(Resource::As, Rlimit { current: limit.maximum, maximum: limit.maximum });
    let taken = match run(chromium, url, work, file, false) {
        Ok(()) => Ok(None),
        Err(_) => run(chromium, url, work, file, true).map(|()| {
            Some("the browser's own sandbox does not work here: the page was shown without it, as an account without rights and without a network")
        }),
    };
    let _ = setrlimit(Resource::As, limit);
    taken
}

fn run(chromium: &Path, url: &str, work: &Path, file: &Path, bare: bool) -> Result<(), String> {
    let _ = std::fs::remove_file(file);
    let profile = work.join(if bare { "profile-bare" } else { "profile" });
    let mut command = Command::new(chromium);
    command.args([
        "--headless=new",
        "--disable-gpu",
        "--hide-scrollbars",
        "--no-first-run",
        "--disable-extensions",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--disable-dev-shm-usage",
        "--force-color-profile=srgb",
        "--window-size=1280,1600",
        "--virtual-time-budget=5000",
    ]);
    command.args(bare.then_some("--no-sandbox"));
    command.arg(format!("--user-data-dir={}", profile.display()));
    command.arg(format!("--screenshot={}", file.display())).arg(url);
    command.env_clear().env("HOME", work).env("PATH", "/usr/bin:/bin");
    // The browser makes a socket there, whose path may have 107 bytes: this one is short, and means the folder it works in.
    command.env("TMPDIR", "/proc/self/cwd");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command
        .current_dir(work)
        .process_group(0)
        .spawn()
        .map_err(|error| format!("{} cannot be started: {error}", chromium.display()))?;
    let (group, began) = (Pid::from_child(&child), Instant::now());
    let ended = loop {
        match child.try_wait() {
            Ok(Some(status)) => break Ok(status),
            Ok(None) if began.elapsed() > WITHIN => {
                break Err(format!("it took more than {} s", WITHIN.as_secs()));
            }
            Ok(None) => std::thread::sleep(Duration::from_millis(50)),
            Err(error) => break Err(error.to_string()),
        }
    };
    // Whatever it started ends with it.
    let _ = kill_process_group(group, Signal::KILL);
    let _ = child.wait();
    let status = ended?;
    match std::fs::metadata(file).is_ok_and(|meta| meta.len() > 0) {
        true => Ok(()),
        false => Err(format!("it made no picture ({status})")),
    }
}

/// What can be said of a picture.
#[derive(Debug, PartialEq)]
pub(super) struct Look {
    /// Every pixel has the same colour.
    pub(super) blank: bool,
    /// The share of pixels that changed, from 0 to 1, when there was one before.
    pub(super) changed: Option<f64>,
}

/// Looks at a picture, and compares it with the one before.
pub(super) fn look(now: &Path, before: Option<&Path>) -> io::Result<Look> {
    let now = open(now)?;
    // One that cannot be read any more is as good as none.
    let before = before.and_then(|path| open(path).ok());
    let first = now.pixels().next().copied();
    let blank = now.pixels().all(|pixel| Some(*pixel) == first);
    Ok(Look { blank, changed: before.map(|before| changed(&before, &now)) })
}

fn open(path: &Path) -> io::Result<RgbImage> {
    let mut reader = ImageReader::open(path)?.with_guessed_format()?;
    let mut limits = Limits::default();
    (limits.max_image_width, limits.max_image_height) = (Some(SIDE_MAX), Some(SIDE_MAX));
    reader.limits(limits);
    reader.decode().map(|image| image.to_rgb8()).map_err(io::Error::other)
}

/// The share of pixels that differ; what only one of them has differs.
fn changed(before: &RgbImage, now: &RgbImage) -> f64 {
    let (width, height) = (before.width().max(now.width()), before.height().max(now.height()));
    let mut differing = 0u64;
    for (x, y) in (0..height).flat_map(|y| (0..width).map(move |x| (x, y))) {
        let same = match (before.get_pixel_checked(x, y), now.get_pixel_checked(x, y)) {
            (Some(one), Some(other)) => one.0.iter().zip(&other.0).all(|(a, b)| a.abs_diff(*b) <= SAME),
            _ => false,
        };
        differing += u64::from(!same);
    }
    differing as f64 / (u64::from(width) * u64::from(height)).max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::Rgb;

    #[test]
    fn what_changed_is_counted_and_what_is_blank_is_seen() {
        let temp = tempfile::tempdir().expect("a folder");
        let (one, other) = (temp.path().join("1.png"), temp.path().join("2.png"));
        let white = RgbImage::from_pixel(10, 10, Rgb([255; 3]));
        let mut spotted = white.clone();
        (0..5).for_each(|x| spotted.put_pixel(x, 3, Rgb([0; 3])));
        // Too little to be seen.
        spotted.put_pixel(9, 9, Rgb([250; 3]));
        white.save(&one).expect("saved");
        spotted.save(&other).expect("saved");
        assert_eq!(look(&one, None).expect("read"), Look { blank: true, changed: None });
        assert_eq!(look(&other, Some(&one)).expect("read"), Look { blank: false, changed: Some(0.05) });
        assert_eq!(look(&other, Some(&other)).expect("read").changed, Some(0.0));
        RgbImage::from_pixel(10, 20, Rgb([255; 3])).save(&other).expect("saved");
        assert_eq!(look(&other, Some(&one)).expect("read").changed, Some(0.5));
        std::fs::write(&one, "no picture").expect("written");
        assert_eq!(look(&other, Some(&one)).expect("read").changed, None);
    }
}
