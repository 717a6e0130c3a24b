//! What the name of a file promises, and whether its first bytes keep it.

/// What a name promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Promise {
    /// Nothing that could be checked.
    Nothing,
    /// Text: no zero bytes, no noise.
    Text,
    /// It begins with one of these; its content need not look random.
    Plain(&'static [Magic]),
    /// It begins with one of these, and what follows is packed and may look random.
    Packed(&'static [Magic]),
    /// Encrypted, or packed without a mark of its own: it may look random.
    Sealed,
}

/// Bytes at a place.
pub(super) type Magic = (usize, &'static [u8]);

const ZIP: &[Magic] = &[(0, b"PK\x03\x04"), (0, b"PK\x05\x06"), (0, b"PK\x07\x08")];
/// Office files that are protected by a password are compound documents inside.
const OFFICE: &[Magic] = &[(0, b"PK\x03\x04"), (0, b"PK\x05\x06"), (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")];
const COMPOUND: &[Magic] = &[(0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"), (0, b"PK\x03\x04"), (0, b"{\\rtf")];
const GZIP: &[Magic] = &[(0, b"\x1f\x8b")];

const TABLE: &[(&[&str], Promise)] = &[
    (&["jpg", "jpeg"], Promise::Packed(&[(0, b"\xff\xd8\xff")])),
    (&["png"], Promise::Packed(&[(0, b"\x89PNG\r\n\x1a\n")])),
    (&["gif"], Promise::Packed(&[(0, b"GIF8")])),
    (&["webp"], Promise::Packed(&[(8, b"WEBP")])),
    (&["tif", "tiff"], Promise::Packed(&[(0, b"II*\0"), (0, b"MM\0*"), (0, b"II+\0"), (0, b"MM\0+")])),
    (&["bmp"], Promise::Plain(&[(0, b"BM")])),
    (&["pdf"], Promise::Packed(&[(0, b"%PDF-")])),
    (&["docx", "xlsx", "pptx"], Promise::Packed(OFFICE)),
    (&["odt", "ods", "odp", "epub", "jar", "war", "ear", "apk", "zip", "whl"], Promise::Packed(ZIP)),
    (&["doc", "xls", "ppt", "msi"], Promise::Plain(COMPOUND)),
    (&["gz", "tgz"], Promise::Packed(GZIP)),
    (&["bz2", "tbz2"], Promise::Packed(&[(0, b"BZh")])),
    (&["xz", "txz"], Promise::Packed(&[(0, b"\xfd7zXZ\0")])),
    (&["zst"], Promise::Packed(&[(0, b"\x28\xb5\x2f\xfd")])),
    (&["7z"], Promise::Packed(&[(0, b"7z\xbc\xaf\x27\x1c")])),
    (&["rar"], Promise::Packed(&[(0, b"Rar!")])),
    (
        &["mp4", "m4a", "m4v", "mov"],
        Promise::Packed(&[(4, b"ftyp"), (4, b"moov"), (4, b"mdat"), (4, b"wide"), (4, b"free")]),
    ),
    (&["mkv", "webm"], Promise::Packed(&[(0, b"\x1a\x45\xdf\xa3")])),
    (&["ogg", "oga", "opus"], Promise::Packed(&[(0, b"OggS")])),
    (&["flac"], Promise::Packed(&[(0, b"fLaC"), (0, b"ID3")])),
    (&["wav", "avi"], Promise::Packed(&[(0, b"RIFF"), (0, b"RF64")])),
    (&["sqlite", "sqlite3"], Promise::Plain(&[(0, b"SQLite format 3\0")])),
    (&["frm", "myi"], Promise::Plain(&[(0, b"\xfe")])),
    (&["ps", "eps"], Promise::Plain(&[(0, b"%!PS"), (0, b"\xc5\xd0\xd3\xc6")])),
    (&["rtf"], Promise::Plain(&[(0, b"{\\rtf")])),
    (&["deb", "a"], Promise::Packed(&[(0, b"!<arch>\n"), (0, b"!<thin>\n")])),
    (&["rpm"], Promise::Packed(&[(0, b"\xed\xab\xee\xdb")])),
    (&["class"], Promise::Plain(&[(0, b"\xca\xfe\xba\xbe")])),
    (
        &[
            "mp3", "aac", "br", "lz4", "lzma", "dat", "bin", "img", "qcow2", "vmdk", "vdi", "woff", "woff2",
            "heic", "avif", "pack", "gpg", "pgp", "age", "enc", "kdbx", "p12", "pfx", "luks", "dump", "wal",
            "ibd", "pyc", "mo", "jpe",
        ],
        Promise::Sealed,
    ),
    (
        &[
            "txt",
            "md",
            "rst",
            "csv",
            "tsv",
            "json",
            "xml",
            "html",
            "htm",
            "xhtml",
            "css",
            "js",
            "ts",
            "svg",
            "php",
            "py",
            "rb",
            "pl",
            "sh",
            "c",
            "h",
            "cc",
            "cpp",
            "rs",
            "go",
            "java",
            "sql",
            "yml",
            "yaml",
            "toml",
            "ini",
            "conf",
            "cfg",
            "cnf",
            "log",
            "tex",
            "ics",
            "vcf",
            "eml",
            "pem",
            "crt",
            "service",
            "timer",
            "list",
            "properties",
        ],
        Promise::Text,
    ),
];

/// Extensions are at most this long.
const EXTENSION_MAX: usize = 10;

/// What the name of a file promises.
pub(super) fn promise(name: &[u8]) -> Promise {
    let Some(dot) = name.iter().rposition(|byte| *byte == b'.').filter(|dot| *dot > 0) else {
        return Promise::Nothing;
    };
    let extension = &name[dot + 1..];
    if extension.is_empty() || extension.len() > EXTENSION_MAX {
        return Promise::Nothing;
    }
    let mut lower = [0; EXTENSION_MAX];
    let lower = &mut lower[..extension.len()];
    lower.copy_from_slice(extension);
    lower.make_ascii_lowercase();
    let row = TABLE.iter().find(|(extensions, _)| extensions.iter().any(|known| known.as_bytes() == lower));
    row.map_or(Promise::Nothing, |(_, promise)| *promise)
}

impl Promise {
    /// Whether content that begins like this keeps it; `None` when that cannot be said.
    pub(super) fn holds(self, first: &[u8], random: bool) -> Option<bool> {
        match self {
            Self::Nothing | Self::Sealed => None,
            Self::Text => Some(!random && is_text(first)),
            Self::Plain(magics) | Self::Packed(magics) => {
                let begins =
                    |(at, magic): &Magic| first.get(*at..).is_some_and(|rest| rest.starts_with(magic));
                // What is too short for its mark is empty or unfinished, not something else.
                let longest = magics.iter().map(|(at, magic)| at + magic.len()).max().unwrap_or(0);
                (first.len() >= longest).then(|| magics.iter().any(begins))
            }
        }
    }
}

/// Text has no zero bytes, unless it is UTF-16 with its mark.
fn is_text(first: &[u8]) -> bool {
    first.starts_with(b"\xff\xfe") || first.starts_with(b"\xfe\xff") || !first.contains(&0)
}

/// Whether bytes are spread like noise: compressed or encrypted. By the sum of squared frequencies, in whole numbers.
///
/// Of `n` random bytes the sum of squares is n²/256 + n on average, give or take very little; text and programs have many times that.
pub(super) fn looks_random(sample: &[u8]) -> bool {
    let mut counts = [0u16; 256];
    for byte in sample {
        counts[usize::from(*byte)] += 1;
    }
    let squares: u64 = counts.iter().map(|count| u64::from(*count) * u64::from(*count)).sum();
    let n = sample.len() as u64;
    // A tenth more than noise has.
    squares * 256 * 10 <= (n * n + 256 * n) * 11
}
