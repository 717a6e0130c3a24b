//! What a name promises, and whether the first bytes keep it.

/// Formats of images that are decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// JPEG.
    Jpeg,
    /// PNG.
    Png,
    /// GIF.
    Gif,
    /// WebP.
    WebP,
    /// TIFF.
    Tiff,
}

/// What a file should be, by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A tar archive.
    Tar,
    /// Something compressed by gzip.
    Gzip,
    /// A tar archive compressed by gzip.
    TarGzip,
    /// A zip archive, and what is one under another name.
    Zip,
    /// An image.
    Image(Format),
    /// An SVG image.
    Svg,
    /// XML.
    Xml,
    /// PDF.
    Pdf,
    /// HTML.
    Html,
    /// JSON.
    Json,
    /// YAML.
    Yaml,
    /// CSS.
    Css,
    /// PHP.
    Php,
    /// SQL.
    Sql,
}

/// Endings, the longer ones first.
const ENDINGS: &[(&str, Kind)] = &[
    (".tar.gz", Kind::TarGzip),
    (".tgz", Kind::TarGzip),
    (".tar", Kind::Tar),
    (".gz", Kind::Gzip),
    (".zip", Kind::Zip),
    (".jar", Kind::Zip),
    (".docx", Kind::Zip),
    (".xlsx", Kind::Zip),
    (".pptx", Kind::Zip),
    (".odt", Kind::Zip),
    (".ods", Kind::Zip),
    (".epub", Kind::Zip),
    (".jpg", Kind::Image(Format::Jpeg)),
    (".jpeg", Kind::Image(Format::Jpeg)),
    (".png", Kind::Image(Format::Png)),
    (".gif", Kind::Image(Format::Gif)),
    (".webp", Kind::Image(Format::WebP)),
    (".tif", Kind::Image(Format::Tiff)),
    (".tiff", Kind::Image(Format::Tiff)),
    (".svg", Kind::Svg),
    (".xml", Kind::Xml),
    (".pdf", Kind::Pdf),
    (".html", Kind::Html),
    (".htm", Kind::Html),
    (".json", Kind::Json),
    (".yaml", Kind::Yaml),
    (".yml", Kind::Yaml),
    (".css", Kind::Css),
    (".php", Kind::Php),
    (".sql", Kind::Sql),
];

impl Kind {
    /// What the name of a file promises; nothing for names that are of no interest.
    pub fn of_name(name: &[u8]) -> Option<Self> {
        let name = String::from_utf8_lossy(&name[name.len().saturating_sub(16)..]).to_ascii_lowercase();
        ENDINGS.iter().find(|(ending, _)| name.ends_with(ending)).map(|(_, kind)| *kind)
    }

    /// Its name for people, with an article.
    pub fn word(self) -> &'static str {
        match self {
            Self::Tar => "a tar archive",
            Self::Gzip | Self::TarGzip => "a gzip file",
            Self::Zip => "a zip archive",
            Self::Image(Format::Jpeg) => "a JPEG image",
            Self::Image(Format::Png) => "a PNG image",
            Self::Image(Format::Gif) => "a GIF image",
            Self::Image(Format::WebP) => "a WebP image",
            Self::Image(Format::Tiff) => "a TIFF image",
            Self::Svg => "an SVG image",
            Self::Xml => "XML",
            Self::Pdf => "a PDF document",
            Self::Html => "HTML",
            Self::Json => "JSON",
            Self::Yaml => "YAML",
            Self::Css => "CSS",
            Self::Php => "PHP",
            Self::Sql => "SQL",
        }
    }

    /// Whether it is text.
    pub fn is_text(self) -> bool {
        use Kind::{Css, Html, Json, Php, Sql, Svg, Xml, Yaml};
        matches!(self, Css | Html | Json | Php | Sql | Svg | Xml | Yaml)
    }

    /// Whether a file of no length can be one.
    pub fn may_be_empty(self) -> bool {
        matches!(self, Self::Css | Self::Html | Self::Php | Self::Sql | Self::Yaml)
    }

    /// Whether its parser needs all of it at once.
    pub(super) fn needs_all(self) -> bool {
        !matches!(self, Self::Tar | Self::Gzip | Self::TarGzip | Self::Json)
    }

    /// What the first bytes are instead of what the name says.
    pub(super) fn mismatch(self, start: &[u8]) -> Option<String> {
        let should = self.word();
        if start.is_empty() {
            return (!self.may_be_empty()).then(|| format!("it is empty, and should be {should}"));
        }
        if start.len() >= 16 && start.iter().all(|byte| *byte == 0) {
            return Some(format!("it begins with nothing but zero bytes, and should be {should}"));
        }
        if self.is_text() {
            return mismatch_of_text(start).map(|what| format!("it is {what}, and should be {should}"));
        }
        // Its own parser says better what is wrong with one that has the right beginning.
        if self.begins(start) {
            return None;
        }
        let what = infer::get(start)
            .map_or_else(|| "something else".to_owned(), |found| found.mime_type().to_owned());
        Some(format!("it is {what}, and should be {should}"))
    }

    fn begins(self, start: &[u8]) -> bool {
        match self {
            Self::Gzip | Self::TarGzip => start.starts_with(&[0x1f, 0x8b]),
            Self::Zip => start.starts_with(b"PK\x03\x04") || start.starts_with(b"PK\x05\x06"),
            Self::Image(Format::Jpeg) => start.starts_with(&[0xff, 0xd8, 0xff]),
            Self::Image(Format::Png) => start.starts_with(b"\x89PNG\r\n\x1a\n"),
            Self::Image(Format::Gif) => start.starts_with(b"GIF8"),
            Self::Image(Format::WebP) => start.starts_with(b"RIFF") && start.get(8..12) == Some(b"WEBP"),
            Self::Image(Format::Tiff) => start.starts_with(b"II*\0") || start.starts_with(b"MM\0*"),
            // Readers of PDF look for it in the first kilobyte.
            Self::Pdf => start.windows(5).take(1024).any(|window| window == b"%PDF-"),
            // The old format has no mark at all; the walk says what is wrong.
            Self::Tar => start.get(257..262) == Some(b"ustar") || infer::get(start).is_none(),
            _ => true,
        }
    }
}

/// What text cannot be.
fn mismatch_of_text(start: &[u8]) -> Option<String> {
    let wide = start.starts_with(&[0xff, 0xfe]) || start.starts_with(&[0xfe, 0xff]);
    if wide || !start.contains(&0) {
        let odd = start.iter().filter(|byte| **byte < 9 || (14..27).contains(*byte)).count();
        // Text in old encodings has no control characters either.
        return (!wide && odd * 20 > start.len()).then(|| "binary data".to_owned());
    }
    let found = infer::get(start).map(|found| found.mime_type().to_owned());
    Some(found.unwrap_or_else(|| "binary data".into()))
}
